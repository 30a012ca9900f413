//! When a failed delivery is tried again, what the outcome of an attempt means for it, and how much an endpoint gets:
//! its circuit breaker and its rate limiter.
//!
//! Pure functions of their arguments: no clock, no randomness, no configuration read from outside.

mod breaker;
mod jitter;
mod limiter;
mod outcome;
mod retry_after;
mod schedule;
mod verdict;

pub use breaker::{Breaker, BreakerPolicy, BreakerState};
pub use jitter::jitter_seed;
pub use limiter::{Bucket, Rate};
pub use outcome::{Fault, Outcome};
pub use retry_after::{MOST_RETRY_AFTER_MS, retry_after_ms};
pub use schedule::{CAP_MS, Schedule, exponential_delay_ms};
pub use verdict::{Attempt, RetryPolicy, Verdict};
