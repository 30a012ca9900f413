//! Which addresses may be called: the guard against requests that a stranger's URL would send inside (SSRF).
//!
//! Endpoints' URLs come from users, and the dispatcher stands inside a network that they do not. So every protocol asks
//! here twice: [`AddressPolicy::judge_host`] about the host as the URL has it, and, where that is a name,
//! [`AddressPolicy::judge_resolved`] about all the addresses that it resolves to. The connection then goes to an address
//! that was judged, never to the name again, so that a name which changes its address in between (DNS rebinding) gains
//! nothing.
//!
//! Only globally reachable unicast addresses are called, see [`AddressClass`]. A self-hoster can allow more by the
//! variable `WEBHOOK_ALLOWED_ADDRESSES`, see [`AllowedAddresses`].

mod allowed;
mod class;
mod error;
mod host;
mod policy;
mod ranges;
#[cfg(test)]
mod tests;

pub use allowed::{AllowedAddresses, AllowedAddressesError};
pub use class::AddressClass;
pub use error::AddressError;
pub use host::Host;
pub use policy::AddressPolicy;
