//! Secrets, the signatures that webhooks carry, and their verification.
//!
//! Two schemes side by side: `X-Webhook-Signature: sha256=…`, which receivers know today, and Standard Webhooks
//! (`webhook-id`, `webhook-timestamp`, `webhook-signature`), which a replayed or altered request does not pass.

mod fingerprint;
mod keys;
mod lanes;
mod macs;
mod many;
mod secret;
mod signature;
mod verification;

pub use fingerprint::{Fingerprint, fingerprints};
pub use keys::key_matches;
pub use many::{Signatures, ToSign, sign_all};
pub use secret::{SecretKey, SecretKind, Secrets};
pub use signature::{body_signature, standard_signature};
pub use verification::{DEFAULT_TOLERANCE_S, Received, VerifyError, verify, verify_body_signature};
