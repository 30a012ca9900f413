//! The Kafka producer for TypeScript: conversions only, no rule. It is a module of its own, so that those who send over
//! HTTP alone never load it.
//!
//! Times are milliseconds as `number`. Errors are `Error`s with a `name`, a stable `code` and a `message`.

mod error;
pub mod producer;
mod shape;
