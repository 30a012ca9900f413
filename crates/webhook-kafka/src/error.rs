//! What a caller can do wrong.

use thiserror::Error;

/// What is wrong with a call, and how to put it right. What brokers do wrong is no error but a record's result.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KafkaError {
    /// The configuration cannot work.
    #[error("{field}: expected {expected}")]
    Config {
        /// The field or fields.
        field: &'static str,
        /// Their form.
        expected: &'static str,
    },
    /// A topic's name that no cluster can have.
    #[error("topic: expected a name of 1 to 249 bytes, got {length}")]
    Topic {
        /// In bytes.
        length: usize,
    },
    /// A batch's identifier is in use until the batch is settled.
    #[error("id: batch {id} is under way already; expected an identifier that is free")]
    RepeatedBatch {
        /// The identifier.
        id: u32,
    },
    /// A nonce that SCRAM cannot use (RFC 5802, section 5.1).
    #[error("nonce: expected 16 to 128 printable ASCII characters without a comma")]
    Nonce,
}

impl KafkaError {
    /// A stable name to branch on.
    pub fn code(&self) -> &'static str {
        match self {
            KafkaError::Config { .. } => "config",
            KafkaError::Topic { .. } => "topic",
            KafkaError::RepeatedBatch { .. } => "repeated_batch",
            KafkaError::Nonce => "nonce",
        }
    }
}
