//! When a failed delivery is tried again, and what the outcome of an attempt means for it.
//!
//! Pure functions of their arguments: no clock, no randomness, no configuration read from outside.

mod outcome;
mod schedule;
mod verdict;

pub use outcome::Outcome;
pub use schedule::{CAP_MS, RetryPolicy, delays_ms, exponential_delay_ms};
pub use verdict::{Verdict, verdict};
