//! SendMessageBatch over SQS' JSON protocol.
//!
//! Source: Amazon SQS API Reference, "SendMessageBatch"; Developer Guide, "Amazon SQS message quotas" and "Calculating
//! the MD5 message digest for message attributes".

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::{SqsQueue, SqsTarget, lookup::QueueUrlLookup};
use crate::{
    Adapter, Context, Entry, Fault, Limits, Message, MessageError, Preparation, Request, RequestError,
    Response,
    aws::{AwsCredentials, Call, fault_of_code, hex_sha256, is_error, lower_hex, rejected},
    google::cut,
};

/// A batch's messages, and their bytes altogether: 256 KiB until August 2025.
const LIMITS: Limits = Limits { messages: 10, bytes: 1_048_576 };

/// Enough for ten entries that failed with a long message.
const MOST_ANSWER_BYTES: usize = 32 * 1_024;

const DATA_TYPE: &str = "String";
const SQS: &str = "SQS";
const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

impl Adapter for SqsTarget {
    fn hosts(&self) -> Vec<&str> {
        vec![&self.server.host]
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    /// Bodies and attributes count: their names, types and values.
    fn weigh(&self, message: &Message<'_>) -> Result<usize, MessageError> {
        check_characters("payload", message.body)?;
        let mut bytes = message.body.len();
        for (name, value) in attributes(message) {
            check_characters(name, &value)?;
            bytes = bytes.saturating_add(name.len() + DATA_TYPE.len() + value.len());
        }
        if bytes > LIMITS.bytes {
            return Err(MessageError::TooLarge { protocol: SQS, bytes, most: LIMITS.bytes });
        }
        Ok(bytes)
    }

    fn request(&self, messages: &[Message<'_>], context: &Context<'_>) -> Result<Request, RequestError> {
        let credentials = AwsCredentials::read(&self.credentials, context.variable)?;
        let queue_url = self.queue_url(context)?;
        let entries = messages.iter().enumerate().map(|(at, message)| self.entry(at, message)).collect();
        let call = self.call("AmazonSQS.SendMessageBatch", &Batch { queue_url, entries }, MOST_ANSWER_BYTES);
        Ok(Request::Http(call.signed(&credentials, context)?))
    }

    fn read(&self, answer: &Response<'_>, messages: &[Message<'_>]) -> Option<Vec<Entry>> {
        if answer.status != 200 {
            return Some(rejected(SQS, answer, messages.len()));
        }
        let results: Results = serde_json::from_str(answer.body).unwrap_or_default();
        Some(messages.iter().enumerate().map(|(at, message)| results.of(at, message)).collect())
    }

    /// A queue that was deleted and made again may have another URL.
    fn is_stale(&self, answer: &Response<'_>) -> bool {
        matches!(self.queue, SqsQueue::Name(_)) && is_unknown_queue(answer)
    }
}

/// The older name is that of the query protocol, which stays in some answers. Only the code counts: a message may name
/// a queue that is called so.
pub(super) fn is_unknown_queue(answer: &Response<'_>) -> bool {
    is_error(answer, &["QueueDoesNotExist", "NonExistentQueue"])
}

impl SqsTarget {
    /// A request to the service, to `target` of its JSON protocol.
    pub(super) fn call(
        &self,
        target: &'static str,
        body: &impl Serialize,
        most_answer_bytes: usize,
    ) -> Call<'_> {
        Call {
            server: &self.server,
            path: &[""],
            query: &[],
            service: "sqs",
            region: &self.region,
            fields: vec![("Content-Type", CONTENT_TYPE), ("X-Amz-Target", target)],
            // Text always has a JSON form.
            body: serde_json::to_string(body).unwrap_or_default(),
            most_answer_bytes,
        }
    }

    /// The queue's URL. Requests go to `server`, whatever host it names.
    fn queue_url(&self, context: &Context<'_>) -> Result<String, RequestError> {
        match &self.queue {
            SqsQueue::Url { account, name, .. } => {
                let scheme = if self.server.tls { "https" } else { "http" };
                Ok(format!("{scheme}://{}/{account}/{name}", self.server.host_header))
            }
            SqsQueue::Name(_) => {
                let lookup = QueueUrlLookup::new(self);
                (context.prepared)(&lookup.key()).ok_or_else(|| RequestError::Unprepared(Box::new(lookup)))
            }
        }
    }

    fn entry<'a>(&self, at: usize, message: &Message<'a>) -> BatchEntry<'a> {
        let attributes = attributes(message)
            .into_iter()
            .map(|(name, value)| (name, Attribute { data_type: DATA_TYPE, string_value: value }));
        let is_fifo = self.queue.name().ends_with(".fifo");
        BatchEntry {
            id: at.to_string(),
            message_body: message.body,
            message_attributes: attributes.collect(),
            message_group_id: is_fifo.then(|| group_id(self.group.key(message).unwrap_or_default())),
            message_deduplication_id: is_fifo.then_some(message.delivery_id),
        }
    }
}

/// SQS takes no empty values.
fn attributes(message: &Message<'_>) -> BTreeMap<&'static str, String> {
    let attributes = message.attributes().into_iter().filter(|(_, value)| !value.is_empty());
    attributes.map(|(name, value)| (name, value.into_owned())).collect()
}

/// A group has up to 128 letters, digits and punctuation marks; a key that is no such text stands in by its SHA-256.
fn group_id(key: &str) -> String {
    if (1..=128).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        key.to_owned()
    } else {
        hex_sha256(key.as_bytes())
    }
}

/// XML 1.0's characters are the ones that SQS takes.
fn check_characters(name: &'static str, text: &str) -> Result<(), MessageError> {
    let wrong = text.chars().find(
        |c| !matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..),
    );
    wrong.map_or(Ok(()), |c| Err(MessageError::Character { protocol: SQS, name, code: c.into() }))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Batch<'a> {
    queue_url: String,
    entries: Vec<BatchEntry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BatchEntry<'a> {
    id: String,
    message_body: &'a str,
    message_attributes: BTreeMap<&'static str, Attribute>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_group_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_deduplication_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    data_type: &'static str,
    string_value: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Results {
    // Null where there are none, say some that stand in for SQS.
    successful: Option<Vec<Successful>>,
    failed: Option<Vec<Failed>>,
}

#[derive(Deserialize)]
struct Successful {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "MessageId")]
    message_id: String,
    #[serde(rename = "MD5OfMessageBody")]
    md5_of_body: String,
    #[serde(default, rename = "MD5OfMessageAttributes")]
    md5_of_attributes: Option<String>,
}

#[derive(Deserialize)]
struct Failed {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "Code")]
    code: String,
    #[serde(default, rename = "Message")]
    message: Option<String>,
    #[serde(default, rename = "SenderFault")]
    sender_fault: bool,
}

impl Results {
    fn of(&self, at: usize, message: &Message<'_>) -> Entry {
        let id = at.to_string();
        let rejected = |fault, reason: String| Entry::Rejected { fault, reason: cut(&reason) };
        if let Some(failed) = self.failed.iter().flatten().find(|failed| failed.id == id) {
            let otherwise = if failed.sender_fault { Fault::Permanent } else { Fault::Passing };
            let said = failed.message.as_deref().unwrap_or("no reason given");
            let fault = fault_of_code(&failed.code).unwrap_or(otherwise);
            return rejected(fault, format!("SQS: {}: {said}", failed.code));
        }
        let Some(taken) = self.successful.iter().flatten().find(|taken| taken.id == id) else {
            return rejected(Fault::Passing, "SQS said nothing of this message".to_owned());
        };
        let other = |what: &str| {
            rejected(Fault::Passing, format!("SQS has stored another {what} than was sent (MD5)"))
        };
        if !taken.md5_of_body.eq_ignore_ascii_case(&lower_hex(&Md5::digest(message.body))) {
            return other("body");
        }
        let attributes = lower_hex(&md5_of_attributes(&attributes(message)));
        if taken.md5_of_attributes.as_ref().is_some_and(|md5| !md5.eq_ignore_ascii_case(&attributes)) {
            return other("set of attributes");
        }
        Entry::Accepted { note: serde_json::json!({ "MessageId": taken.message_id }).to_string() }
    }
}

/// Sorted by name: length and bytes of name, type and value, the value's kind before it. Lengths are in bytes, as 4
/// bytes, the highest first; 1 is the kind of a text.
fn md5_of_attributes(attributes: &BTreeMap<&'static str, String>) -> [u8; 16] {
    let mut bytes = Vec::new();
    for (name, value) in attributes {
        for (text, kind) in [(*name, None), (DATA_TYPE, None), (value.as_str(), Some(1_u8))] {
            bytes.extend(kind);
            bytes.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend(text.as_bytes());
        }
    }
    Md5::digest(bytes).into()
}
