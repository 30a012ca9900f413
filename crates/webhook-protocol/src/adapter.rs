//! What every protocol does: messages into a request, the answer into what became of each of them.
//!
//! An adapter is pure. What it has to find out first (a token, a queue's URL) is a [`Preparation`], which others carry
//! out and keep; secrets come from a look-up of variables.

use std::fmt;

use thiserror::Error;

use crate::{CredentialsError, HttpRequest, HttpRequestError, HttpUrlParser, KafkaRequest, Message};

/// Delivers over one protocol to one target.
pub trait Adapter {
    /// The hosts that the target names: what the address policy has to judge. A name is judged again when it is
    /// resolved.
    fn hosts(&self) -> Vec<&str>;

    /// How much may travel in one request.
    fn limits(&self) -> Limits {
        Limits { messages: 1, bytes: usize::MAX }
    }

    /// How many of [`Limits::bytes`] a message takes.
    ///
    /// # Errors
    /// A [`MessageError`] where the protocol cannot carry it at all.
    fn weigh(&self, message: &Message<'_>) -> Result<usize, MessageError> {
        Ok(message.body.len())
    }

    /// The request that carries messages, as many as [`Limits`] allows.
    ///
    /// # Errors
    /// [`RequestError::Unprepared`] where something has to be found out first.
    fn request(&self, messages: &[Message<'_>], context: &Context<'_>) -> Result<Request, RequestError>;

    /// What an answer means for each message, in their order; `None` where its status says it for all.
    fn read(&self, _answer: &Response<'_>, _messages: &[Message<'_>]) -> Option<Vec<Entry>> {
        None
    }

    /// Whether an answer says that what was prepared for the request holds no longer.
    fn is_stale(&self, _answer: &Response<'_>) -> bool {
        false
    }
}

/// How much may travel in one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages; at least 1.
    pub messages: u32,
    /// Bytes, as [`Adapter::weigh`] counts them.
    pub bytes: usize,
}

/// What an adapter may know beside the messages.
pub struct Context<'a> {
    /// Looks an environment variable up.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Looks up what a [`Preparation`] with this key has found out, if it still holds.
    pub prepared: &'a dyn Fn(&str) -> Option<String>,
    /// Reads the URLs that variables hold.
    pub http_urls: &'a dyn HttpUrlParser,
    /// Milliseconds since 1970.
    pub now_ms: u64,
    /// Names us to the service.
    pub user_agent: &'a str,
}

/// A request, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Over HTTP.
    Http(HttpRequest),
    /// Over Kafka's protocol.
    Kafka(KafkaRequest),
}

/// Why there is no request yet, or none at all.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Something has to be found out first.
    #[error("something has to be found out first")]
    Unprepared(Box<dyn Preparation>),
    /// Credentials are missing or wrong.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// Some of its text cannot stand in a request.
    #[error(transparent)]
    Http(#[from] HttpRequestError),
}

/// What is wrong with a message for a protocol.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// It is longer than the protocol carries, attributes included.
    #[error(
        "payload: has {bytes} bytes with its attributes, more than the {most} that {protocol} takes; make it smaller"
    )]
    TooLarge {
        /// The protocol, as people call it.
        protocol: &'static str,
        /// What it has.
        bytes: usize,
        /// What it may have.
        most: usize,
    },
    /// An attribute is longer than the protocol carries.
    #[error("{name}: has {bytes} bytes, more than the {most} that {protocol} takes in an attribute")]
    AttributeTooLarge {
        /// The protocol, as people call it.
        protocol: &'static str,
        /// The attribute.
        name: &'static str,
        /// What it has.
        bytes: usize,
        /// What it may have.
        most: usize,
    },
    /// A character that the protocol does not carry.
    #[error("{name}: holds the character U+{code:04X}, which {protocol} does not take")]
    Character {
        /// The protocol, as people call it.
        protocol: &'static str,
        /// `payload`, or the attribute.
        name: &'static str,
        /// The character.
        code: u32,
    },
}

/// A service's answer over HTTP.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The body, at most [`HttpRequest::most_answer_bytes`] of it.
    pub body: &'a str,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The broker has it.
    Accepted {
        /// What the row keeps as the answer.
        note: String,
    },
    /// The broker does not take it.
    Rejected {
        /// Whether trying again is of use.
        fault: Fault,
        /// What the broker said.
        reason: String,
    },
}

/// What a rejection means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It may pass.
    Passing,
    /// Trying again is seldom of use.
    Permanent,
    /// It was too much at once: the broker works, and wants less.
    Throttled,
}

/// Something that is found out once, before requests can be made, and kept.
pub trait Preparation {
    /// Names it in a cache and in messages; holds no secret.
    fn key(&self) -> String;

    /// What to do next. `reply` is what the last step gave; `None` at the beginning.
    ///
    /// # Errors
    /// A [`PreparationError`] ends it.
    fn step(
        &self,
        reply: Option<&Reply<'_>>,
        context: &Context<'_>,
    ) -> Result<PreparationStep, PreparationError>;
}

/// What a preparation wants to be done.
pub enum PreparationStep {
    /// Send this; the answer is the reply.
    Http(HttpRequest),
    /// Sign with RSASSA-PKCS1-v1_5 and SHA-256; the signature is the reply.
    Sign {
        /// The private key: PKCS #8 in DER. Secret.
        pkcs8: Vec<u8>,
        /// What is signed, as UTF-8.
        text: String,
    },
    /// It is found out.
    Ready {
        /// What is kept for [`Context::prepared`]. Secret.
        value: String,
        /// Until when it holds, in milliseconds since 1970.
        expires_at_ms: u64,
    },
}

/// What a step gave.
#[derive(Clone, Copy, Debug)]
pub enum Reply<'a> {
    /// An answer.
    Response(Response<'a>),
    /// A signature. What was signed comes back with it, so that a preparation keeps nothing between its steps.
    Signature {
        /// [`PreparationStep::Sign`]'s text.
        text: &'a str,
        /// Its signature's bytes.
        signature: &'a [u8],
    },
    /// The key could not be used, and why.
    Unsigned(&'a str),
}

/// Why something could not be found out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PreparationError {
    /// Credentials are missing or wrong.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// Some text cannot stand in a request.
    #[error(transparent)]
    Http(#[from] HttpRequestError),
    /// The service refuses it.
    #[error("{what}: {reason}")]
    Refused {
        /// What was wanted, such as `access token`.
        what: &'static str,
        /// What the service said.
        reason: String,
        /// Whether it may pass.
        fault: Fault,
    },
}

/// Not what derives `Debug` prints: a supertrait would keep the printing of every target in the WASM module.
impl fmt::Debug for dyn Adapter + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Adapter")
    }
}

impl fmt::Debug for dyn Preparation + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key())
    }
}

impl fmt::Debug for PreparationStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PreparationStep::Http(_) => "Http",
            PreparationStep::Sign { .. } => "Sign",
            PreparationStep::Ready { .. } => "Ready",
        })
    }
}
