//! The ways in which a host can be refused.

use std::net::IpAddr;

use thiserror::Error;

use super::AddressClass;

/// Why a host is not called, and how to put it right. Shows no more of the URL than the host, cut after 253 characters.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No host at all.
    #[error("url: has no host; expected a name or an address")]
    Empty,
    /// Looks like an address and is none.
    #[error("url: {host:?} is no valid address; expected four numbers from 0 to 255 or an IPv6 address")]
    InvalidAddress {
        /// The host.
        host: String,
    },
    /// An IPv6 address with a zone, which only means something on one machine.
    #[error("url: {host:?} has a zone after the address; remove the % and what follows")]
    Zone {
        /// The host.
        host: String,
    },
    /// Not a name that DNS could hold.
    #[error("url: {host:?} is no valid host name; expected {expected}")]
    InvalidName {
        /// The host.
        host: String,
        /// What a name consists of.
        expected: &'static str,
    },
    /// A name that only means something inside a machine or a network.
    #[error(
        "url: {host} is a local name and is not called; a self-hoster can allow it by WEBHOOK_ALLOWED_ADDRESSES={host}"
    )]
    LocalName {
        /// The name, normalised.
        host: String,
    },
    /// The URL's address is not public.
    #[error(
        "url: {address} is {class} and is not called; a self-hoster can allow it by WEBHOOK_ALLOWED_ADDRESSES={address}/{}",
        bits(address)
    )]
    NotPublic {
        /// The address, an IPv4-mapped one as IPv4.
        address: IpAddr,
        /// What it is instead.
        class: AddressClass,
    },
    /// One of the addresses that the name resolves to is not public.
    #[error(
        "url: {host} resolves to {address}, {class}, and is not called; a self-hoster can allow it by WEBHOOK_ALLOWED_ADDRESSES={address}/{}",
        bits(address)
    )]
    ResolvesToNotPublic {
        /// The name.
        host: String,
        /// The first such address, an IPv4-mapped one as IPv4.
        address: IpAddr,
        /// What it is instead.
        class: AddressClass,
    },
    /// The name resolves to nothing.
    #[error("url: {host} resolves to no address; check the name and its A and AAAA records")]
    NoAddress {
        /// The name.
        host: String,
    },
}

impl AddressError {
    /// A stable name to branch on. That of an address that is not public is its class's.
    pub fn code(&self) -> &'static str {
        match self {
            AddressError::Empty => "empty_host",
            AddressError::InvalidAddress { .. } => "invalid_address",
            AddressError::Zone { .. } => "zone",
            AddressError::InvalidName { .. } => "invalid_name",
            AddressError::LocalName { .. } => "local_name",
            AddressError::NotPublic { class, .. } | AddressError::ResolvesToNotPublic { class, .. } => {
                class.as_str()
            }
            AddressError::NoAddress { .. } => "no_address",
        }
    }

    /// An [`AddressError::InvalidAddress`] that shows at most 253 characters of what stands there.
    pub fn invalid_address(host: &str) -> AddressError {
        AddressError::InvalidAddress { host: shown(host) }
    }
}

/// At most 253 characters of a host: no name is longer.
pub(super) fn shown(host: &str) -> String {
    let end = host.char_indices().nth(253).map_or(host.len(), |(at, _)| at);
    host.get(..end).unwrap_or(host).to_owned()
}

/// The prefix of a single address.
fn bits(address: &IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}
