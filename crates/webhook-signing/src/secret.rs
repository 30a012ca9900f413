//! Signing secrets as an endpoint's `secret_key` holds them.

use std::fmt;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Padding may be there or not: secrets are copied by hand.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const PREFIX: &str = "whsec_";

/// The shortest piece of a `secret_key` with blanks that is read as a secret of its own.
const SHORTEST_OF_SEVERAL: usize = 10;

/// One secret. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: Vec<u8>,
    key: Vec<u8>,
}

impl Secret {
    /// Reads one secret: `whsec_` and base64 is a Standard Webhooks secret, anything else is its own bytes.
    fn new(text: &str) -> Secret {
        let key = text
            .trim()
            .strip_prefix(PREFIX)
            .and_then(|encoded| BASE64.decode(encoded).ok())
            .filter(|key| !key.is_empty())
            .unwrap_or_else(|| text.as_bytes().to_vec());
        Secret { text: text.as_bytes().to_vec(), key }
    }

    /// The key of `X-Webhook-Signature`: the secret's text as UTF-8 bytes, prefix included, as receivers know it.
    pub(crate) fn body_key(&self) -> &[u8] {
        &self.text
    }

    /// The key of `webhook-signature`: the decoded bytes of a `whsec_` secret, or else the text as UTF-8 bytes.
    pub(crate) fn standard_key(&self) -> &[u8] {
        &self.key
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// The secrets of an endpoint, at least one.
///
/// Several secrets, separated by blanks, sign side by side while receivers move from one to the other. A
/// `secret_key` with blanks and a piece of fewer than ten characters is a pass phrase: one secret, as receivers know
/// it, and none of its words signs alone, which would make the phrase easy to guess.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    first: Secret,
    rest: Vec<Secret>,
}

impl Secrets {
    /// Reads a `secret_key`; `None` where it is empty, which means unsigned.
    pub fn parse(secret_key: &str) -> Option<Secrets> {
        if secret_key.is_empty() {
            return None;
        }
        let pieces: Vec<&str> =
            secret_key.split([' ', '\t', '\r', '\n']).filter(|piece| !piece.is_empty()).collect();
        let several =
            pieces.len() > 1 && pieces.iter().all(|piece| piece.chars().count() >= SHORTEST_OF_SEVERAL);
        let mut secrets = if several { pieces } else { vec![secret_key] }.into_iter().map(Secret::new);
        Some(Secrets { first: secrets.next()?, rest: secrets.collect() })
    }

    /// The first one, which signs where there is room for one signature only.
    pub(crate) fn first(&self) -> &Secret {
        &self.first
    }

    /// All of them, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secret_key: &str) -> Vec<Vec<u8>> {
        Secrets::parse(secret_key).unwrap().iter().map(|secret| secret.standard_key().to_vec()).collect()
    }

    #[test]
    fn a_whsec_secret_is_decoded_with_or_without_padding() {
        assert_eq!(keys("whsec_AQID"), [[1, 2, 3]]);
        assert_eq!(keys("whsec_AQI="), [[1, 2]]);
        assert_eq!(keys("whsec_AQI"), [[1, 2]]);
    }

    #[test]
    fn a_plain_or_malformed_secret_is_its_own_bytes() {
        assert_eq!(keys("plain"), [b"plain"]);
        assert_eq!(keys("whsec_"), [b"whsec_"]);
        assert_eq!(keys("whsec_!!!"), [b"whsec_!!!"]);
        assert_eq!(keys(" padded "), [b" padded "]);
    }

    #[test]
    fn several_secrets_are_read_apart_and_a_pass_phrase_is_one() {
        assert_eq!(keys("old-secret  new-secret\twhsec_AQID").len(), 3);
        for phrase in ["correct horse battery staple", "secret passphrase", "onceuponatime webhooks"] {
            assert_eq!(keys(phrase), [phrase.as_bytes()]);
        }
    }

    #[test]
    fn an_empty_secret_is_none() {
        assert_eq!(Secrets::parse(""), None);
    }

    #[test]
    fn debug_shows_nothing() {
        let shown = format!("{:?}", Secrets::parse("hunter2-hunter2 whsec_AQIDBAUG").unwrap());
        assert!(
            !shown.contains("hunter2") && !shown.contains("AQID") && shown.contains("redacted"),
            "{shown}"
        );
    }
}
