//! Checking signatures, as a receiver does.

use base64::{Engine, prelude::BASE64_STANDARD};
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;

use crate::{
    Secrets,
    signature::{BODY_SCHEME, STANDARD_VERSION, standard_mac},
};

/// How far `webhook-timestamp` may be from the receiver's clock, in seconds, either way.
pub const DEFAULT_TOLERANCE_S: u64 = 300;

/// The parts of a received request that the signature covers.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The `webhook-id` header.
    pub id: &'a str,
    /// The `webhook-timestamp` header: seconds since 1970 as a decimal number.
    pub timestamp: &'a str,
    /// The `webhook-signature` header.
    pub signature: &'a str,
    /// The body's bytes as they came.
    pub body: &'a [u8],
}

/// Why a request is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// `webhook-id` is empty.
    #[error("webhook-id: expected an id, got nothing")]
    MissingId,
    /// `webhook-timestamp` is not a decimal number of seconds.
    #[error("webhook-timestamp: expected seconds since 1970, got {got:?}")]
    InvalidTimestamp {
        /// The header's text.
        got: String,
    },
    /// The request is older than the tolerance: it may be a replay.
    #[error("webhook-timestamp: {age_s} s old, more than the {tolerance_s} s that are tolerated")]
    TooOld {
        /// Its age in seconds.
        age_s: u64,
        /// The tolerance in seconds.
        tolerance_s: u64,
    },
    /// The request is from a future that is further off than the tolerance.
    #[error("webhook-timestamp: {ahead_s} s in the future, more than the {tolerance_s} s that are tolerated")]
    TooNew {
        /// How far ahead in seconds.
        ahead_s: u64,
        /// The tolerance in seconds.
        tolerance_s: u64,
    },
    /// None of the signatures is by one of the secrets.
    #[error("webhook-signature: none of the {count} signatures matches")]
    NoMatch {
        /// How many signatures of a known version there were.
        count: usize,
    },
}

impl VerifyError {
    /// A stable name to branch on.
    pub fn code(&self) -> &'static str {
        match self {
            VerifyError::MissingId => "missing_id",
            VerifyError::InvalidTimestamp { .. } => "invalid_timestamp",
            VerifyError::TooOld { .. } => "too_old",
            VerifyError::TooNew { .. } => "too_new",
            VerifyError::NoMatch { .. } => "no_match",
        }
    }
}

/// Verifies a Standard Webhooks request against any of the secrets. `now_s` is in seconds since 1970.
///
/// # Errors
/// A [`VerifyError`] that says what did not fit.
pub fn verify(
    secrets: &Secrets,
    received: &Received<'_>,
    now_s: i64,
    tolerance_s: u64,
) -> Result<(), VerifyError> {
    if received.id.is_empty() {
        return Err(VerifyError::MissingId);
    }
    let is_decimal =
        !received.timestamp.is_empty() && received.timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let timestamp_s: i64 = is_decimal
        .then(|| received.timestamp.parse().ok())
        .flatten()
        .ok_or_else(|| VerifyError::InvalidTimestamp { got: received.timestamp.to_owned() })?;
    let distance_s = now_s.abs_diff(timestamp_s);
    if distance_s > tolerance_s {
        return Err(if timestamp_s < now_s {
            VerifyError::TooOld { age_s: distance_s, tolerance_s }
        } else {
            VerifyError::TooNew { ahead_s: distance_s, tolerance_s }
        });
    }
    // Signatures of unknown versions are passed over, as the specification has it.
    let presented: Vec<Vec<u8>> = received
        .signature
        .split(' ')
        .filter_map(|signature| signature.strip_prefix(STANDARD_VERSION))
        .map(|encoded| BASE64_STANDARD.decode(encoded).unwrap_or_default())
        .collect();
    let mut found = Choice::from(0);
    for key in secrets.standard_keys() {
        let expected = standard_mac(key, received.id, received.timestamp, received.body);
        for signature in &presented {
            found |= expected.ct_eq(signature.as_slice());
        }
    }
    if found.into() { Ok(()) } else { Err(VerifyError::NoMatch { count: presented.len() }) }
}

/// Whether `X-Webhook-Signature` is by the secret that signs it. It covers the body alone, so it does not tell a replay.
pub fn verify_body_signature(secrets: &Secrets, header: &str, body: &[u8]) -> bool {
    let presented = header.strip_prefix(BODY_SCHEME).and_then(decode_hex).unwrap_or_default();
    secrets.body_key().mac(&[body]).ct_eq(presented.as_slice()).into()
}

fn decode_hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{body_signature, standard_signature};

    const NOW: i64 = 1_614_265_330;
    const VECTOR: Received<'static> = Received {
        id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp: "1614265330",
        signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        body: br#"{"test": 2432232314}"#,
    };

    fn secrets() -> Secrets {
        Secrets::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()
    }

    fn verify_at(received: &Received<'_>, now_s: i64) -> Result<(), VerifyError> {
        verify(&secrets(), received, now_s, DEFAULT_TOLERANCE_S)
    }

    #[test]
    fn the_published_vector_verifies_within_the_tolerance_and_not_beyond() {
        assert_eq!(verify_at(&VECTOR, NOW), Ok(()));
        assert_eq!(verify_at(&VECTOR, NOW + 300), Ok(()));
        assert_eq!(verify_at(&VECTOR, NOW - 300), Ok(()));
        assert_eq!(verify_at(&VECTOR, NOW + 301), Err(VerifyError::TooOld { age_s: 301, tolerance_s: 300 }));
        assert_eq!(
            verify_at(&VECTOR, NOW - 301),
            Err(VerifyError::TooNew { ahead_s: 301, tolerance_s: 300 })
        );
    }

    #[test]
    fn a_change_of_any_part_is_refused() {
        let no_match = |count| Err(VerifyError::NoMatch { count });
        assert_eq!(verify_at(&Received { id: "msg_other", ..VECTOR }, NOW), no_match(1));
        assert_eq!(verify_at(&Received { timestamp: "1614265331", ..VECTOR }, NOW), no_match(1));
        assert_eq!(verify_at(&Received { body: b"{}", ..VECTOR }, NOW), no_match(1));
        for signature in ["v1,", "v1,!", "v1,g0hM9SsE", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="] {
            assert_eq!(verify_at(&Received { signature, ..VECTOR }, NOW), no_match(1));
        }
        let other_version = format!("v2{}", &VECTOR.signature[2..]);
        assert_eq!(verify_at(&Received { signature: &other_version, ..VECTOR }, NOW), no_match(0));
        let other = Secrets::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx").unwrap();
        assert_eq!(verify(&other, &VECTOR, NOW, 300), no_match(1));
    }

    #[test]
    fn headers_that_cannot_be_read_are_named() {
        assert_eq!(verify_at(&Received { id: "", ..VECTOR }, NOW), Err(VerifyError::MissingId));
        for timestamp in ["", "now", "+1614265330", "1614265330.0", "99999999999999999999"] {
            assert_eq!(
                verify_at(&Received { timestamp, ..VECTOR }, NOW),
                Err(VerifyError::InvalidTimestamp { got: timestamp.to_owned() })
            );
        }
    }

    #[test]
    fn during_a_rotation_each_side_verifies_the_other() {
        let old = Secrets::parse("the-old-secret").unwrap();
        let new = Secrets::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let both = Secrets::parse("the-old-secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = |by: &Secrets, checked_by: &Secrets| {
            let signature = standard_signature(by, "id", NOW, b"body");
            let received =
                Received { id: "id", timestamp: "1614265330", signature: &signature, body: b"body" };
            verify(checked_by, &received, NOW, DEFAULT_TOLERANCE_S)
        };
        for (by, checked_by) in [(&both, &old), (&both, &new), (&old, &both), (&new, &both)] {
            assert_eq!(signed(by, checked_by), Ok(()));
        }
        assert_eq!(signed(&old, &new), Err(VerifyError::NoMatch { count: 1 }));
        assert!(verify_body_signature(&old, &body_signature(&both, b"body"), b"body"));
    }

    #[test]
    fn the_body_signature_is_checked_whole() {
        let secrets = secrets();
        let header = body_signature(&secrets, b"body");
        assert!(verify_body_signature(&secrets, &header, b"body"));
        for wrong in ["", "sha256=", &header[7..], &header[..header.len() - 2], "sha256=é"] {
            assert!(!verify_body_signature(&secrets, wrong, b"body"), "{wrong}");
        }
        assert!(!verify_body_signature(&secrets, &header, b"Body"));
    }

    proptest! {
        #[test]
        fn what_is_signed_verifies(secret in "\\PC{1,40}", id in "\\PC{1,40}", body: Vec<u8>, at in 0..i64::MAX) {
            let secrets = Secrets::parse(&secret).unwrap();
            let signature = standard_signature(&secrets, &id, at, &body);
            let received = Received { id: &id, timestamp: &at.to_string(), signature: &signature, body: &body };
            prop_assert_eq!(verify(&secrets, &received, at, 0), Ok(()));
            prop_assert!(verify_body_signature(&secrets, &body_signature(&secrets, &body), &body));
        }

        #[test]
        fn no_header_panics(id: String, timestamp: String, signature: String, body: Vec<u8>, now: i64) {
            let received = Received { id: &id, timestamp: &timestamp, signature: &signature, body: &body };
            prop_assert!(verify(&secrets(), &received, now, 300).is_err());
        }
    }
}
