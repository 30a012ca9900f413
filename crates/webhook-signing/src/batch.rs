//! Signing many messages at once.

use std::slice;

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{
    Secrets,
    macs::{Message, macs},
    signature::{BODY_SCHEME, STANDARD_VERSION, push_hex},
};

/// A message to sign.
#[derive(Clone, Copy, Debug)]
pub struct ToSign<'a> {
    /// The secrets of its endpoint.
    pub secrets: &'a Secrets,
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`: seconds since 1970.
    pub timestamp_s: i64,
    /// The bytes that are sent.
    pub body: &'a [u8],
    /// Whether `webhook-signature` is asked for.
    pub standard: bool,
}

/// What a message is signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signatures {
    /// `X-Webhook-Signature`, as [`body_signature`](crate::body_signature) makes it.
    pub body: String,
    /// `webhook-signature`, as [`standard_signature`](crate::standard_signature) makes it; `None` where it was not asked for.
    pub standard: Option<String>,
}

/// Signs messages, in their order.
pub fn sign_all(messages: &[ToSign<'_>]) -> Vec<Signatures> {
    let heads: Vec<String> =
        messages.iter().map(|message| format!("{}.{}.", message.id, message.timestamp_s)).collect();
    let parts: Vec<[&[u8]; 2]> =
        heads.iter().zip(messages).map(|(head, message)| [head.as_bytes(), message.body]).collect();
    let mut to_mac = Vec::with_capacity(messages.len() * 2);
    for (message, parts) in messages.iter().zip(&parts) {
        to_mac
            .push(Message { key: message.secrets.body_key().ready(), parts: slice::from_ref(&message.body) });
        if message.standard {
            to_mac.extend(message.secrets.standard_keys().map(|key| Message { key: key.ready(), parts }));
        }
    }
    let mut macs = macs(&to_mac).into_iter();
    let sign = |message: &ToSign<'_>| {
        let mut body = String::with_capacity(BODY_SCHEME.len() + 64);
        body.push_str(BODY_SCHEME);
        push_hex(&mut body, &macs.next().unwrap_or_default());
        let standard = message.standard.then(|| {
            let mut header = String::with_capacity(48);
            for (_, mac) in message.secrets.standard_keys().zip(macs.by_ref()) {
                if !header.is_empty() {
                    header.push(' ');
                }
                header.push_str(STANDARD_VERSION);
                BASE64_STANDARD.encode_string(mac, &mut header);
            }
            header
        });
        Signatures { body, standard }
    };
    messages.iter().map(sign).collect()
}
