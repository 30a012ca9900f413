//! SendMessageBatch over SQS' JSON protocol.
//!
//! Source: Amazon SQS API Reference, "SendMessageBatch"; Developer Guide, "Amazon SQS message quotas" and "Calculating
//! the MD5 message digest for message attributes".

use std::borrow::Cow;

use md5::{Digest, Md5};
use serde_json::Value;

use super::{SqsQueue, SqsTarget, lookup::QueueUrlLookup};
use crate::{
    Adapter, Context, Entry, Fault, Limits, Message, MessageError, Preparation, Request, RequestError,
    Response,
    aws::{AwsCredentials, Call, fault_of_code, hex_sha256, is_error, lower_hex, rejected},
    google::cut,
    json::{self, json},
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
        let call =
            self.call("AmazonSQS.SendMessageBatch", self.body(&queue_url, messages), MOST_ANSWER_BYTES);
        Ok(Request::Http(call.signed(&credentials, context)?))
    }

    fn read(&self, answer: &Response<'_>, messages: &[Message<'_>]) -> Option<Vec<Entry>> {
        if answer.status != 200 {
            return Some(rejected(SQS, answer, messages.len()));
        }
        let results = Results::read(answer.body).unwrap_or_default();
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
    pub(super) fn call(&self, target: &'static str, body: String, most_answer_bytes: usize) -> Call<'_> {
        Call {
            server: &self.server,
            path: &[""],
            query: &[],
            service: "sqs",
            region: &self.region,
            fields: vec![("Content-Type", CONTENT_TYPE), ("X-Amz-Target", target)],
            body,
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

    /// The batch as the protocol writes it.
    fn body(&self, queue_url: &str, messages: &[Message<'_>]) -> String {
        let mut body = format!("{{\"QueueUrl\":{},\"Entries\":[", json(queue_url));
        for (at, message) in messages.iter().enumerate() {
            body.push_str(if at == 0 { "" } else { "," });
            self.write_entry(&mut body, at, message);
        }
        body.push_str("]}");
        body
    }

    fn write_entry(&self, body: &mut String, at: usize, message: &Message<'_>) {
        body.push_str(&format!("{{\"Id\":\"{at}\",\"MessageBody\":"));
        body.push_str(&json(message.body));
        body.push_str(",\"MessageAttributes\":{");
        for (index, (name, value)) in attributes(message).iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            let (name, value) = (json(name), json(value));
            body.push_str(&format!(
                "{separator}{name}:{{\"DataType\":\"{DATA_TYPE}\",\"StringValue\":{value}}}"
            ));
        }
        body.push('}');
        if self.queue.name().ends_with(".fifo") {
            let group = json(&group_id(self.group.key(message).unwrap_or_default()));
            let id = json(message.delivery_id);
            body.push_str(&format!(",\"MessageGroupId\":{group},\"MessageDeduplicationId\":{id}"));
        }
        body.push('}');
    }
}

/// SQS takes no empty values. Sorted by name.
fn attributes<'a>(message: &Message<'a>) -> Vec<(&'static str, Cow<'a, str>)> {
    message.sorted_attributes().into_iter().filter(|(_, value)| !value.is_empty()).collect()
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

#[derive(Default)]
struct Results {
    successful: Vec<Successful>,
    failed: Vec<Failed>,
}

struct Successful {
    id: String,
    message_id: String,
    md5_of_body: String,
    md5_of_attributes: Option<String>,
}

struct Failed {
    id: String,
    code: String,
    message: Option<String>,
    sender_fault: bool,
}

impl Results {
    /// `None` where something is not what the protocol says.
    fn read(body: &str) -> Option<Results> {
        let body = json::read(body);
        let successful = list(&body, "Successful")?.iter().map(|taken| {
            Some(Successful {
                id: json::text(taken, "Id")?,
                message_id: json::text(taken, "MessageId")?,
                md5_of_body: json::text(taken, "MD5OfMessageBody")?,
                md5_of_attributes: json::optional_text(taken, "MD5OfMessageAttributes")?,
            })
        });
        let failed = list(&body, "Failed")?.iter().map(|failed| {
            Some(Failed {
                id: json::text(failed, "Id")?,
                code: json::text(failed, "Code")?,
                message: json::optional_text(failed, "Message")?,
                sender_fault: failed.get("SenderFault").map_or(Some(false), Value::as_bool)?,
            })
        });
        Some(Results {
            successful: successful.collect::<Option<_>>()?,
            failed: failed.collect::<Option<_>>()?,
        })
    }

    fn of(&self, at: usize, message: &Message<'_>) -> Entry {
        let id = at.to_string();
        let rejected = |fault, reason: String| Entry::Rejected { fault, reason: cut(&reason) };
        if let Some(failed) = self.failed.iter().find(|failed| failed.id == id) {
            let otherwise = if failed.sender_fault { Fault::Permanent } else { Fault::Passing };
            let said = failed.message.as_deref().unwrap_or("no reason given");
            let fault = fault_of_code(&failed.code).unwrap_or(otherwise);
            return rejected(fault, format!("SQS: {}: {said}", failed.code));
        }
        let Some(taken) = self.successful.iter().find(|taken| taken.id == id) else {
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
        Entry::Accepted { note: format!("{{\"MessageId\":{}}}", json(&taken.message_id)) }
    }
}

/// Sorted by name: length and bytes of name, type and value, the value's kind before it. Lengths are in bytes, as 4
/// bytes, the highest first; 1 is the kind of a text.
fn md5_of_attributes(attributes: &[(&'static str, Cow<'_, str>)]) -> [u8; 16] {
    let mut bytes = Vec::new();
    for (name, value) in attributes {
        for (text, kind) in [(*name, None), (DATA_TYPE, None), (value, Some(1_u8))] {
            bytes.extend(kind);
            bytes.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend(text.as_bytes());
        }
    }
    Md5::digest(bytes).into()
}

/// A list that may be missing, or null, as some have it that stand in for SQS.
fn list<'a>(object: &'a Value, name: &str) -> Option<&'a [Value]> {
    match object.get(name) {
        None if object.is_object() => Some(&[]),
        Some(Value::Null) => Some(&[]),
        other => other?.as_array().map(Vec::as_slice),
    }
}
