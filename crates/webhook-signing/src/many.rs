//! Signing many messages at once.

use std::slice;

use crate::{
    Secrets,
    macs::{Message, macs},
    signature::{body_header, standard_header},
};

/// A message to sign.
#[derive(Clone, Copy, Debug)]
pub struct ToSign<'a> {
    /// Its endpoint's secrets.
    pub secrets: &'a Secrets,
    /// The `webhook-id` header.
    pub id: &'a str,
    /// The `webhook-timestamp` header: seconds since 1970.
    pub timestamp_s: i64,
    /// The bytes that are sent.
    pub body: &'a [u8],
    /// Whether `webhook-signature` is asked for.
    pub standard: bool,
}

/// The signatures of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signatures {
    /// `X-Webhook-Signature`, as [`body_signature`](crate::body_signature) makes it.
    pub body: String,
    /// `webhook-signature`, as [`standard_signature`](crate::standard_signature) makes it; `None` where it was not asked
    /// for.
    pub standard: Option<String>,
}

/// The signatures of messages, in their order.
///
/// In WASM this takes about half the time of one message after another, and a tenth as long as the engine has not optimised
/// the module yet. A message alone gains nothing once it has.
pub fn sign_all(messages: &[ToSign<'_>]) -> Vec<Signatures> {
    let heads: Vec<String> =
        messages.iter().map(|message| format!("{}.{}.", message.id, message.timestamp_s)).collect();
    let parts: Vec<[&[u8]; 2]> =
        heads.iter().zip(messages).map(|(head, message)| [head.as_bytes(), message.body]).collect();
    let mut to_mac = Vec::with_capacity(2 * messages.len());
    for (message, parts) in messages.iter().zip(&parts) {
        let body = slice::from_ref(&message.body);
        to_mac.push(Message { key: message.secrets.body_key().begun(), parts: body });
        if message.standard {
            to_mac.extend(message.secrets.standard_keys().map(|key| Message { key: key.begun(), parts }));
        }
    }
    let mut macs = macs(&to_mac).into_iter();
    let mut signatures = |message: &ToSign<'_>| Signatures {
        body: macs.next().map(body_header).unwrap_or_default(),
        standard: message.standard.then(|| {
            let count = message.secrets.standard_keys().count();
            standard_header(macs.by_ref().take(count))
        }),
    };
    messages.iter().map(&mut signatures).collect()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{body_signature, standard_signature};

    fn secrets() -> Vec<Secrets> {
        let long = "x".repeat(100);
        let keys =
            ["plain", "whsec_AQID", "pass phrase", "old-secret-of-ours whsec_AQIDBAUG another-one", &long];
        keys.map(|key| Secrets::parse(key).unwrap()).into()
    }

    #[test]
    fn no_message_has_no_signature() {
        assert_eq!(sign_all(&[]), []);
    }

    #[test]
    fn a_message_has_the_signatures_that_were_asked_for() {
        let secrets = Secrets::parse("old-secret-of-ours whsec_AQIDBAUG").unwrap();
        let both = ToSign { secrets: &secrets, id: "id", timestamp_s: -7, body: b"{}", standard: true };
        let signed = sign_all(&[ToSign { standard: false, ..both }, both]);
        let body = body_signature(&secrets, b"{}");
        let standard = standard_signature(&secrets, "id", -7, b"{}");
        assert_eq!(standard.split(' ').count(), 2);
        assert_eq!(
            signed,
            [
                Signatures { body: body.clone(), standard: None },
                Signatures { body, standard: Some(standard) }
            ]
        );
    }

    proptest! {
        #[test]
        fn many_messages_are_signed_as_each_is_alone(
            drawn in vec((0..5_usize, "\\PC{0,70}", any::<i64>(), vec(any::<u8>(), 0..2_000), any::<bool>()), 0..10)
        ) {
            let secrets = secrets();
            let messages: Vec<ToSign<'_>> = drawn
                .iter()
                .map(|(key, id, timestamp_s, body, standard)| ToSign {
                    secrets: &secrets[*key], id, timestamp_s: *timestamp_s, body, standard: *standard,
                })
                .collect();
            let alone: Vec<Signatures> = messages
                .iter()
                .map(|message| Signatures {
                    body: body_signature(message.secrets, message.body),
                    standard: message.standard.then(|| {
                        standard_signature(message.secrets, message.id, message.timestamp_s, message.body)
                    }),
                })
                .collect();
            prop_assert_eq!(sign_all(&messages), alone);
        }
    }
}
