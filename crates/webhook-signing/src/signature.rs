//! Making signatures.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{Secrets, macs::BegunKey};

pub(crate) const BODY_SCHEME: &str = "sha256=";
pub(crate) const STANDARD_VERSION: &str = "v1,";

/// `X-Webhook-Signature`: `sha256=` and the lower-case hex of HMAC-SHA256(secret as UTF-8 bytes, body).
///
/// It has room for one signature: of several secrets the first signs, and a pass phrase signs as a whole.
pub fn body_signature(secrets: &Secrets, body: &[u8]) -> String {
    body_header(secrets.body_key().mac(&[body]))
}

/// `webhook-signature`: a `v1,` signature a secret, separated by blanks, each the base64 of HMAC-SHA256 over
/// `id.timestamp.body`. `timestamp_s` is in seconds since 1970.
///
/// Source: the Standard Webhooks specification, "Signature scheme".
pub fn standard_signature(secrets: &Secrets, id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let timestamp = timestamp_s.to_string();
    standard_header(secrets.standard_keys().map(|key| standard_mac(key, id, &timestamp, body)))
}

pub(crate) fn body_header(mac: [u8; 32]) -> String {
    let mut header = String::with_capacity(BODY_SCHEME.len() + 64);
    header.push_str(BODY_SCHEME);
    push_hex(&mut header, &mac);
    header
}

pub(crate) fn standard_header(macs: impl Iterator<Item = [u8; 32]>) -> String {
    let mut header = String::with_capacity(STANDARD_VERSION.len() + 44);
    for mac in macs {
        if !header.is_empty() {
            header.push(' ');
        }
        header.push_str(STANDARD_VERSION);
        BASE64_STANDARD.encode_string(mac, &mut header);
    }
    header
}

pub(crate) fn standard_mac(key: &Key, id: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
    key.mac(&[id.as_bytes(), b".", timestamp.as_bytes(), b".", body])
}

/// A key of HMAC-SHA256, made ready once for many messages. Its `Debug` shows nothing.
#[derive(Clone)]
pub(crate) struct Key {
    bytes: Vec<u8>,
    ready: Hmac<Sha256>,
    begun: BegunKey,
}

impl Key {
    #[expect(
        clippy::expect_used,
        reason = "RFC 2104 gives HMAC keys of any length, and the crate follows it"
    )]
    pub(crate) fn new(bytes: &[u8]) -> Key {
        let ready = Hmac::new_from_slice(bytes).expect("HMAC takes keys of any length");
        Key { bytes: bytes.to_vec(), ready, begun: BegunKey::new(bytes) }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same for many messages at once.
    pub(crate) fn begun(&self) -> &BegunKey {
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
    use crate::{
        ToSign,
        macs::{Message, macs},
        sign_all,
    };

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
        let keys: Vec<Key> = cases.iter().map(|case| Key::new(&bytes(&case.key_hex))).collect();
        let data: Vec<Vec<u8>> = cases.iter().map(|case| bytes(&case.data_hex)).collect();
        let parts: Vec<[&[u8]; 1]> = data.iter().map(|data| [data.as_slice()]).collect();
        let together: Vec<Message<'_>> =
            keys.iter().zip(&parts).map(|(key, parts)| Message { key: key.begun(), parts }).collect();
        for (((case, key), parts), together) in cases.iter().zip(&keys).zip(&parts).zip(macs(&together)) {
            // Case 5 of the RFC gives the first 128 bits only.
            assert!(key.mac(parts).starts_with(&bytes(&case.mac_hex)), "{}", case.name);
            assert!(together.starts_with(&bytes(&case.mac_hex)), "{}, together", case.name);
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
        let secrets: Vec<Secrets> =
            cases.iter().map(|case| Secrets::parse(&case.secret_key).unwrap()).collect();
        let messages: Vec<ToSign<'_>> = cases
            .iter()
            .zip(&secrets)
            .map(|(case, secrets)| ToSign {
                secrets,
                id: &case.id,
                timestamp_s: case.timestamp,
                body: case.body.as_bytes(),
                standard: true,
            })
            .collect();
        for ((case, message), together) in cases.iter().zip(&messages).zip(sign_all(&messages)) {
            let ToSign { secrets, id, timestamp_s, body, .. } = *message;
            let standard = standard_signature(secrets, id, timestamp_s, body);
            assert_eq!(standard, case.webhook_signature, "{}", case.name);
            assert_eq!(together.standard, Some(standard), "{}, together", case.name);
            assert_eq!(body_signature(secrets, body), case.x_webhook_signature, "{}", case.name);
            assert_eq!(together.body, case.x_webhook_signature, "{}, together", case.name);
        }
    }
}
