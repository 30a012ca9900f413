//! Making signatures.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{Secrets, macs::HmacKey};

pub(crate) const BODY_SCHEME: &str = "sha256=";
pub(crate) const STANDARD_VERSION: &str = "v1,";

/// `X-Webhook-Signature`: `sha256=` and the lower-case hex of HMAC-SHA256(secret as UTF-8 bytes, body).
///
/// It has room for one signature: of several secrets the first signs, and a pass phrase signs as a whole.
pub fn body_signature(secrets: &Secrets, body: &[u8]) -> String {
    let mut header = String::with_capacity(BODY_SCHEME.len() + 64);
    header.push_str(BODY_SCHEME);
    push_hex(&mut header, &secrets.body_key().mac(&[body]));
    header
}

/// `webhook-signature`: a `v1,` signature a secret, separated by blanks, each the base64 of HMAC-SHA256 over
/// `id.timestamp.body`. `timestamp_s` is in seconds since 1970.
///
/// Source: the Standard Webhooks specification, "Signature scheme".
pub fn standard_signature(secrets: &Secrets, id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let timestamp = timestamp_s.to_string();
    let signatures: Vec<String> = secrets
        .standard_keys()
        .map(|key| {
            let mac = standard_mac(key, id, &timestamp, body);
            format!("{STANDARD_VERSION}{}", BASE64_STANDARD.encode(mac))
        })
        .collect();
    signatures.join(" ")
}

pub(crate) fn standard_mac(key: &Key, id: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
    key.mac(&[id.as_bytes(), b".", timestamp.as_bytes(), b".", body])
}

/// A key of HMAC-SHA256, made ready once for many messages. Its `Debug` shows nothing.
#[derive(Clone)]
pub(crate) struct Key {
    bytes: Vec<u8>,
    ready: Hmac<Sha256>,
    begun: HmacKey,
}

impl Key {
    #[expect(
        clippy::expect_used,
        reason = "RFC 2104 gives HMAC keys of any length, and the crate follows it"
    )]
    pub(crate) fn new(bytes: &[u8]) -> Key {
        let ready = Hmac::new_from_slice(bytes).expect("HMAC takes keys of any length");
        Key { bytes: bytes.to_vec(), ready, begun: HmacKey::new(bytes) }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn ready(&self) -> &HmacKey {
        &self.begun
    }

    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.ready.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(redacted)")
    }
}

/// Adds bytes in lower-case hex. Formatting each of them would cost as much as signing.
pub(crate) fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct HmacCase {
        name: String,
        key_hex: String,
        data_hex: String,
        mac_hex: String,
    }

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn the_hmac_cases_of_rfc_4231_pass() {
        let cases: Vec<HmacCase> =
            serde_json::from_str(include_str!("../../../tests/vectors/hmac-sha256-rfc4231.json")).unwrap();
        assert_eq!(cases.len(), 7);
        for case in cases {
            let mac = Key::new(&bytes(&case.key_hex)).mac(&[&bytes(&case.data_hex)]);
            // Case 5 of the RFC gives the first 128 bits only.
            assert!(mac.starts_with(&bytes(&case.mac_hex)), "{}", case.name);
        }
    }

    #[derive(Deserialize)]
    struct SignatureCase {
        name: String,
        secret_key: String,
        id: String,
        timestamp: i64,
        body: String,
        webhook_signature: String,
        x_webhook_signature: String,
    }

    #[test]
    fn the_signature_vectors_pass() {
        let cases: Vec<SignatureCase> =
            serde_json::from_str(include_str!("../../../tests/vectors/signatures.json")).unwrap();
        assert_eq!(cases.len(), 6);
        for case in cases {
            let secrets = Secrets::parse(&case.secret_key).unwrap();
            let body = case.body.as_bytes();
            assert_eq!(
                standard_signature(&secrets, &case.id, case.timestamp, body),
                case.webhook_signature,
                "{}",
                case.name
            );
            assert_eq!(body_signature(&secrets, body), case.x_webhook_signature, "{}", case.name);
        }
    }
}
