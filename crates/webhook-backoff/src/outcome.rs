//! What the wire did with an attempt.

use std::fmt;

/// Enough to tell where a redirect leads, and short enough to leave room for what comes next.
const MOST_LOCATION_CHARS: usize = 200;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It may pass.
    Passing,
    /// Trying again is seldom of use.
    Permanent,
    /// It was too much at once: the broker works, and wants less. As HTTP's 429, which is the row's status then.
    Throttled,
}

impl Outcome {
    /// A stable name, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Answered { .. } => "answered",
            Outcome::TimedOut { .. } => "timed_out",
            Outcome::ConnectionFailed { .. } => "connection_failed",
            Outcome::AddressRefused { .. } => "address_refused",
            Outcome::Accepted { .. } => "accepted",
            Outcome::Rejected { .. } => "rejected",
            Outcome::NotReady { .. } => "not_ready",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Answered { status: status @ 300..=399, location: Some(location), .. } => {
                // Its query may hold a token.
                let place = location.split(['?', '#']).next().unwrap_or_default();
                let shown: String = place.chars().take(MOST_LOCATION_CHARS).collect();
                write!(f, "HTTP {status}: redirects are not followed; it names {shown}")
            }
            Outcome::Answered { status, .. } => write!(f, "HTTP {status}"),
            Outcome::TimedOut { after_ms } => write!(f, "timed out after {after_ms} ms"),
            Outcome::ConnectionFailed { reason } => write!(f, "connection failed: {reason}"),
            Outcome::AddressRefused { reason } | Outcome::NotReady { reason } => {
                write!(f, "not sent: {reason}")
            }
            Outcome::Accepted { note } => write!(f, "accepted: {note}"),
            Outcome::Rejected { reason, .. } => f.write_str(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_say_what_happened() {
        let answered = |status, location: Option<&str>| Outcome::Answered {
            status,
            location: location.map(str::to_owned),
            retry_after: None,
        };
        let cases = [
            (
                answered(302, Some("https://b.example/?token=hidden")),
                "HTTP 302: redirects are not followed; it names https://b.example/",
            ),
            (answered(500, None), "HTTP 500"),
            (Outcome::TimedOut { after_ms: 250 }, "timed out after 250 ms"),
            (Outcome::ConnectionFailed { reason: "reset".to_owned() }, "connection failed: reset"),
            (Outcome::AddressRefused { reason: "url: private".to_owned() }, "not sent: url: private"),
            (Outcome::NotReady { reason: "no key".to_owned() }, "not sent: no key"),
            (Outcome::Accepted { note: "7".to_owned() }, "accepted: 7"),
            (Outcome::Rejected { fault: Fault::Passing, reason: "SQS: busy".to_owned() }, "SQS: busy"),
        ];
        for (outcome, text) in cases {
            assert_eq!(outcome.to_string(), text);
        }
    }
}
