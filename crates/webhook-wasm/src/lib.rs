//! The core for TypeScript: conversions only, no rule.
//!
//! Rows carry the names of their columns; everything else is in camel case. Times are milliseconds as `number`
//! unless the name says otherwise. Errors are `Error`s with a `name`, a stable `code` and a `message`.

pub mod dispatcher;
mod error;
pub mod events;
pub mod health;
pub mod settings;
pub mod signing;
pub mod target;
