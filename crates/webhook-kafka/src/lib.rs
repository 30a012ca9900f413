//! A Kafka producer that does no I/O: the caller moves bytes, and says what time it is.
//!
//! [`Producer`] takes batches over, says which connections to open and what to write ([`Action`]), and settles each
//! record of a batch within the batch's time. Clock and randomness are arguments.
//!
//! **At least once.** Records go out with `acks=all`. What was surely not written (the code says so, or the
//! request was never sent) is sent again within the batch's own time, after the cluster was asked who leads now. Once a
//! request is out and no answer comes, its records may have been written; they are settled as failed, and whoever
//! owns the schedule sends them again. The producer is not idempotent: sequence numbers tell duplicates apart
//! within one producer's life only, while ours come from a schedule that outlives it, in other processes; and they cost
//! a request more on each start and an epoch to mind after each failure. Receivers go by the record's own id.
//!
//! **Versions.** Kafka 0.11 to 4: record batches of format 2, and of each API the newest version that both sides have.
//!
//! **Brokers are not trusted.** Answers are at most 1 MiB, are decoded by this crate (`wire.rs` says why), must have
//! the number of their request and end where they should. Nothing a broker says reaches a reason, but for its numbers
//! and the hosts that it names.

mod action;
mod answers;
mod batch;
mod codes;
mod config;
mod connection;
mod crc;
mod error;
mod failure;
mod partition;
mod producer;
mod record;
mod requests;
mod scram;
mod topics;
mod wire;
mod writer;

pub use action::Action;
pub use config::{Broker, Compression, Config, Mechanism, Password, Sasl};
pub use error::KafkaError;
pub use producer::Producer;
pub use record::{Record, RecordResult, Rejection, RejectionKind};
