//! What the wire did with an attempt.

use std::fmt;

/// The outcome of an attempt. Displays as the reason that the row keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver answered.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The `location` header, where the answer is a redirect.
        location: Option<String>,
        /// The `retry-after` header, as it came.
        retry_after: Option<String>,
    },
    /// No answer came in time.
    TimedOut {
        /// How long was waited, in milliseconds.
        after_ms: u64,
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
}

impl Outcome {
    /// Whether the receiver took the delivery: any 2xx.
    pub(crate) fn is_success(&self) -> bool {
        matches!(self, Outcome::Answered { status: 200..=299, .. })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Answered { status: status @ 300..=399, location: Some(location), .. } => {
                write!(f, "HTTP {status}: redirects are not followed; it names {location}")
            }
            Outcome::Answered { status, .. } => write!(f, "HTTP {status}"),
            Outcome::TimedOut { after_ms } => write!(f, "timed out after {after_ms} ms"),
            Outcome::ConnectionFailed { reason } => write!(f, "connection failed: {reason}"),
            Outcome::AddressRefused { reason } => write!(f, "not sent: {reason}"),
        }
    }
}
