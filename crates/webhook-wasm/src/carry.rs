//! How a batch is carried: requests, steps, and how they end.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use tsify::Tsify;
use wasm_bindgen::prelude::*;
use webhook_backoff as backoff;
use webhook_dispatch as dispatch;
use webhook_protocol as protocol;

use crate::error::{shape_error, whole};

/// An HTTP request, ready to be sent: `head` and `body` in UTF-8 are its bytes. Redirects are not to be followed.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct HttpRequest {
    url: String,
    #[tsify(type = "\"POST\"")]
    method: &'static str,
    /// As a URL writes it: IPv6 in brackets.
    host: String,
    port: u16,
    tls: bool,
    /// The request line and the headers, up to and with the empty line.
    head: String,
    body: String,
    /// How much of the answer's body is worth reading, in bytes.
    most_answer_bytes: u32,
}

/// What the wire did with a request.
#[derive(Serialize, Deserialize, Tsify)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[tsify(missing_as_null)]
pub enum Outcome {
    /// The receiver answered.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The `location` header.
        #[tsify(type = "string | null")]
        location: Option<String>,
        /// The `retry-after` header.
        #[tsify(type = "string | null")]
        retry_after: Option<String>,
        /// The start of the body.
        body: String,
    },
    /// No answer came in time.
    TimedOut {
        /// How long was waited, in milliseconds.
        after_ms: f64,
    },
    /// No connection came about, or it broke before the answer.
    ConnectionFailed {
        /// What the platform said.
        reason: String,
    },
    /// The target's name has no address that may be called. Nothing was sent.
    AddressRefused {
        /// Which one, and why not.
        reason: String,
    },
    /// A broker has it, and says so without an HTTP status.
    Accepted {
        /// What the row keeps as the answer.
        note: String,
    },
    /// A broker was asked and does not take it.
    Rejected {
        /// What that means.
        fault: Fault,
        /// What it said.
        reason: String,
    },
    /// Something of ours is missing: credentials, most often. Nothing was sent.
    NotReady {
        /// What, and what to do about it.
        reason: String,
    },
}

/// What a broker's rejection means.
#[derive(Serialize, Deserialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// It may pass.
    Passing,
    /// Trying again is seldom of use.
    Permanent,
    /// It was too much at once.
    Throttled,
}

/// How the attempts of a step ended; null at the beginning.
#[derive(Deserialize, Tsify)]
#[serde(transparent)]
pub struct Ends(#[tsify(type = "Outcome[] | null")] pub(crate) Option<Vec<Outcome>>);

/// What to do next for a batch.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub enum Step {
    /// Send it, and say how that ended.
    Http(HttpRequest),
    /// The same over Kafka's protocol, with an end for each record.
    Kafka(KafkaRequest),
    /// Carry out the preparation with this key first.
    Prepare(String),
    /// It is over: an end for each attempt, or one for all.
    End(Vec<Outcome>),
}

/// What to do next for a preparation.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub enum Task {
    /// Send it, and say how that ended.
    Http(HttpRequest),
    /// Sign with RSASSA-PKCS1-v1_5 and SHA-256.
    Sign {
        /// The private key: PKCS #8 in DER, in base64. Secret.
        pkcs8: String,
        /// What is signed, as UTF-8.
        text: String,
    },
    /// It is over, well or not: the batches that wait for it go on.
    Done,
}

/// What a task gave; null at the beginning.
#[derive(Deserialize, Tsify)]
#[serde(transparent)]
pub struct Given(#[tsify(type = "TaskResult | null")] pub(crate) Option<TaskResult>);

/// What a task gave.
#[derive(Deserialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub enum TaskResult {
    /// How sending ended.
    End(Outcome),
    /// A signature of this text, in base64.
    Signature {
        /// What was signed.
        text: String,
        /// In base64.
        signature: String,
    },
    /// The key could not be used, and why.
    Unsigned(String),
}

/// A batch of records for a topic.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub struct KafkaRequest {
    /// Requests with the same can share connections. Holds no secret.
    cluster: String,
    brokers: Vec<Broker>,
    tls: bool,
    /// Certificates of authorities to trust beside the platform's, in PEM.
    ca: Option<String>,
    sasl: Option<KafkaSasl>,
    #[tsify(type = "\"none\" | \"gzip\"")]
    compression: &'static str,
    topic: String,
    records: Vec<KafkaRecord>,
}

/// A broker's address.
#[derive(Serialize, Tsify)]
pub struct Broker {
    /// A name or an address; IPv6 without its brackets.
    host: String,
    port: u16,
}

/// Whom we authenticate as.
#[derive(Serialize, Tsify)]
pub struct KafkaSasl {
    #[tsify(type = "\"plain\" | \"scram-sha-256\" | \"scram-sha-512\"")]
    mechanism: &'static str,
    username: String,
    /// Secret.
    password: String,
}

/// A message as Kafka carries it.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub struct KafkaRecord {
    key: Option<String>,
    value: String,
    headers: Vec<(&'static str, String)>,
    timestamp_ms: f64,
}

impl From<protocol::HttpRequest> for HttpRequest {
    fn from(request: protocol::HttpRequest) -> Self {
        HttpRequest {
            url: request.url,
            method: request.method,
            host: request.host,
            port: request.port,
            tls: request.tls,
            head: request.head,
            body: request.body,
            most_answer_bytes: u32::try_from(request.most_answer_bytes).unwrap_or(u32::MAX),
        }
    }
}

impl From<protocol::KafkaRequest> for KafkaRequest {
    fn from(request: protocol::KafkaRequest) -> Self {
        let broker = |broker: protocol::Broker| Broker { host: broker.host, port: broker.port };
        let record = |record: protocol::KafkaRecord| KafkaRecord {
            key: record.key,
            value: record.value,
            headers: record.headers,
            timestamp_ms: record.timestamp_ms as f64,
        };
        KafkaRequest {
            cluster: request.cluster,
            brokers: request.brokers.into_iter().map(broker).collect(),
            tls: request.tls,
            ca: request.ca,
            sasl: request.sasl.map(|sasl| KafkaSasl {
                mechanism: sasl.mechanism.as_str(),
                username: sasl.username,
                password: sasl.password.expose().to_owned(),
            }),
            compression: match request.compression {
                protocol::KafkaCompression::None => "none",
                protocol::KafkaCompression::Gzip => "gzip",
            },
            topic: request.topic,
            records: request.records.into_iter().map(record).collect(),
        }
    }
}

impl From<dispatch::Step> for Step {
    fn from(step: dispatch::Step) -> Self {
        match step {
            dispatch::Step::Http(request) => Step::Http(request.into()),
            dispatch::Step::Kafka(request) => Step::Kafka(request.into()),
            dispatch::Step::Prepare(key) => Step::Prepare(key),
            dispatch::Step::End(ends) => Step::End(ends.into_iter().map(Outcome::from).collect()),
        }
    }
}

impl From<dispatch::Task> for Task {
    fn from(task: dispatch::Task) -> Self {
        match task {
            dispatch::Task::Http(request) => Task::Http(request.into()),
            dispatch::Task::Sign { pkcs8, text } => Task::Sign { pkcs8: BASE64_STANDARD.encode(pkcs8), text },
            dispatch::Task::Done => Task::Done,
        }
    }
}

impl TryFrom<TaskResult> for dispatch::Given {
    type Error = JsValue;

    fn try_from(result: TaskResult) -> Result<Self, JsValue> {
        Ok(match result {
            TaskResult::End(outcome) => dispatch::Given::End(outcome.try_into()?),
            TaskResult::Signature { text, signature } => {
                let signature = BASE64_STANDARD
                    .decode(signature)
                    .map_err(|_| shape_error("signature: expected base64"))?;
                dispatch::Given::Signature { text, signature }
            }
            TaskResult::Unsigned(reason) => dispatch::Given::Unsigned(reason),
        })
    }
}

impl TryFrom<Outcome> for dispatch::End {
    type Error = JsValue;

    fn try_from(outcome: Outcome) -> Result<Self, JsValue> {
        let (outcome, response_body) = match outcome {
            Outcome::Answered { status, location, retry_after, body } => {
                (backoff::Outcome::Answered { status, location, retry_after }, Some(body))
            }
            Outcome::TimedOut { after_ms } => {
                (backoff::Outcome::TimedOut { after_ms: whole(after_ms, "afterMs")? }, None)
            }
            Outcome::ConnectionFailed { reason } => (backoff::Outcome::ConnectionFailed { reason }, None),
            Outcome::AddressRefused { reason } => (backoff::Outcome::AddressRefused { reason }, None),
            Outcome::Accepted { note } => (backoff::Outcome::Accepted { note }, None),
            Outcome::Rejected { fault, reason } => {
                let fault = match fault {
                    Fault::Passing => backoff::Fault::Passing,
                    Fault::Permanent => backoff::Fault::Permanent,
                    Fault::Throttled => backoff::Fault::Throttled,
                };
                (backoff::Outcome::Rejected { fault, reason }, None)
            }
            Outcome::NotReady { reason } => (backoff::Outcome::NotReady { reason }, None),
        };
        Ok(dispatch::End { outcome, response_body })
    }
}

impl From<dispatch::End> for Outcome {
    fn from(end: dispatch::End) -> Self {
        match end.outcome {
            backoff::Outcome::Answered { status, location, retry_after } => Outcome::Answered {
                status,
                location,
                retry_after,
                body: end.response_body.unwrap_or_default(),
            },
            backoff::Outcome::TimedOut { after_ms } => Outcome::TimedOut { after_ms: after_ms as f64 },
            backoff::Outcome::ConnectionFailed { reason } => Outcome::ConnectionFailed { reason },
            backoff::Outcome::AddressRefused { reason } => Outcome::AddressRefused { reason },
            backoff::Outcome::Accepted { note } => Outcome::Accepted { note },
            backoff::Outcome::Rejected { fault, reason } => {
                let fault = match fault {
                    backoff::Fault::Passing => Fault::Passing,
                    backoff::Fault::Permanent => Fault::Permanent,
                    backoff::Fault::Throttled => Fault::Throttled,
                };
                Outcome::Rejected { fault, reason }
            }
            backoff::Outcome::NotReady { reason } => Outcome::NotReady { reason },
        }
    }
}
