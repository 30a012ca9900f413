//! Signing secrets as an endpoint's `secret_key` holds them.

use std::fmt;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::signature::Key;

/// Padding may be there or not: secrets are copied by hand.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const PREFIX: &str = "whsec_";

/// A plain text shorter than this is taken for a word of a pass phrase rather than for a secret of its own.
const SHORTEST_SECRET: usize = 10;

/// The text of an endpoint's `secret_key`. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(String);

impl SecretKey {
    /// Takes the column's text.
    pub fn new(text: String) -> SecretKey {
        SecretKey(text)
    }

    /// The secrets in it; `None` where it is empty, which means unsigned.
    pub fn secrets(&self) -> Option<Secrets> {
        Secrets::parse(&self.0)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(redacted)")
    }
}

/// The keys of an endpoint's secrets. Its `Debug` shows nothing of them.
///
/// Several secrets, separated by blanks, sign `webhook-signature` side by side while receivers move from one to the
/// other.
#[derive(Clone)]
pub struct Secrets {
    body_key: Key,
    standard_keys: Vec<StandardKey>,
}

/// A key of `webhook-signature`.
#[derive(Clone)]
struct StandardKey {
    key: Key,
    kind: SecretKind,
}

/// How a secret is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// `whsec_` and base64: the decoded bytes are the key.
    Whsec,
    /// Anything else: the text's bytes are the key.
    Plain,
}

impl SecretKind {
    /// The kind's name, as it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            SecretKind::Whsec => "whsec",
            SecretKind::Plain => "plain",
        }
    }
}

impl Secrets {
    /// Reads a `secret_key`; `None` where it is empty, which means unsigned.
    pub fn parse(secret_key: &str) -> Option<Secrets> {
        if secret_key.is_empty() {
            return None;
        }
        let pieces: Vec<&str> =
            secret_key.split([' ', '\t', '\r', '\n']).filter(|piece| !piece.is_empty()).collect();
        Some(match pieces.as_slice() {
            // One secret, or nothing but blanks: the text as it is, blanks around it included.
            [] => Secrets {
                body_key: Key::new(secret_key.as_bytes()),
                standard_keys: vec![standard_key(secret_key)],
            },
            [_] => Secrets {
                body_key: Key::new(secret_key.as_bytes()),
                standard_keys: vec![standard_key(secret_key)],
            },
            [first, ..] => {
                let is_rotation = pieces.iter().all(|piece| is_secret(piece));
                let body_secret = if is_rotation { *first } else { secret_key };
                let standard_keys = pieces.into_iter().map(standard_key).collect();
                Secrets { body_key: Key::new(body_secret.as_bytes()), standard_keys }
            }
        })
    }

    /// The key of `X-Webhook-Signature`: the secret's text as UTF-8 bytes, prefix included, as receivers know it.
    ///
    /// There is room for one signature. Of several secrets the first signs; but a text with a short plain piece is a
    /// pass phrase from before there were several, and signs as a whole.
    pub(crate) fn body_key(&self) -> &Key {
        &self.body_key
    }

    /// The keys of `webhook-signature`, at least one: the decoded bytes of a `whsec_` secret, the text as UTF-8
    /// bytes of any other.
    pub(crate) fn standard_keys(&self) -> impl Iterator<Item = &Key> {
        self.standard_keys.iter().map(|key| &key.key)
    }

    /// How each of the secrets is written, in the order of [`Secrets::standard_keys`].
    pub(crate) fn kinds(&self) -> impl Iterator<Item = SecretKind> {
        self.standard_keys.iter().map(|key| key.kind)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(redacted)")
    }
}

fn standard_key(text: &str) -> StandardKey {
    match decoded(text) {
        Some(bytes) => StandardKey { key: Key::new(&bytes), kind: SecretKind::Whsec },
        None => StandardKey { key: Key::new(text.as_bytes()), kind: SecretKind::Plain },
    }
}

/// The bytes of a Standard Webhooks secret: `whsec_` and base64.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let encoded = text.trim().strip_prefix(PREFIX)?;
    BASE64.decode(encoded).ok().filter(|key| !key.is_empty())
}

fn is_secret(piece: &str) -> bool {
    decoded(piece).is_some() || piece.chars().count() >= SHORTEST_SECRET
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secret_key: &str) -> Vec<Vec<u8>> {
        Secrets::parse(secret_key).unwrap().standard_keys().map(|key| key.bytes().to_vec()).collect()
    }

    fn body_key(secret_key: &str) -> String {
        String::from_utf8(Secrets::parse(secret_key).unwrap().body_key.bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_whsec_secret_is_decoded_with_or_without_padding() {
        assert_eq!(keys("whsec_AQID"), [[1, 2, 3]]);
        assert_eq!(keys("whsec_AQI="), [[1, 2]]);
        assert_eq!(keys("whsec_AQI"), [[1, 2]]);
    }

    #[test]
    fn a_plain_or_malformed_secret_is_its_own_bytes() {
        for text in ["plain", "whsec_", "whsec_!!!", " padded ", "  "] {
            assert_eq!(keys(text), [text.as_bytes()]);
            assert_eq!(body_key(text), text);
        }
    }

    #[test]
    fn several_secrets_sign_side_by_side_whatever_their_length() {
        assert_eq!(keys("old new"), [b"old", b"new"]);
        assert_eq!(keys("old-secret  new-secret\twhsec_AQID").len(), 3);
    }

    #[test]
    fn the_body_signature_is_by_the_first_secret_or_by_the_whole_pass_phrase() {
        for (secret_key, first) in [
            ("old-secret new-secret", "old-secret"),
            ("whsec_AQID new-secret", "whsec_AQID"),
            ("old-secret whsec_AQID", "old-secret"),
        ] {
            assert_eq!(body_key(secret_key), first);
        }
        for phrase in ["correct horse battery staple", "secret passphrase", "onceuponatime webhooks"] {
            assert_eq!(body_key(phrase), phrase);
        }
    }

    #[test]
    fn an_empty_secret_is_none() {
        assert!(Secrets::parse("").is_none());
        assert!(SecretKey::new(String::new()).secrets().is_none());
    }

    #[test]
    fn debug_shows_nothing() {
        let key = SecretKey::new("hunter2-hunter2 whsec_AQIDBAUG".to_owned());
        let shown = format!("{key:?} {:?}", key.secrets());
        assert_eq!(shown, "SecretKey(redacted) Some(Secrets(redacted))");
    }
}
