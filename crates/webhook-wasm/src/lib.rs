//! The core for TypeScript: conversions only, no rule.
//!
//! Rows carry the names of their columns; everything else is in camel case. Times are milliseconds as `number`
//! unless the name says otherwise. Signing, verification and the reading of target URLs are here for tools and for
//! receivers in TypeScript beside what the functions use. Errors are `Error`s with a `name`, a stable `code` and a `message`.

pub mod address;
pub mod alerts;
pub mod call;
pub mod carry;
pub mod claims;
pub mod dispatcher;
pub mod endpoint_health;
mod error;
pub mod events;
pub mod health;
pub mod http1;
pub mod journal;
pub mod lane;

pub mod settings;
pub mod signing;
pub mod target;
pub mod tracing;
