//! Why a connection ends.

use std::fmt;

use crate::{Mechanism, RejectionKind, codes, scram::Refused, wire::Malformed};

/// The mechanisms that a refusal may name: nothing else that a broker says is repeated.
const KNOWN_MECHANISMS: [&str; 5] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI", "OAUTHBEARER"];

/// Why a connection ends. The texts complete "broker HOST:PORT: …".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It broke, or the broker said something that makes no sense.
    Broken(String),
    /// No answer came for so long, in milliseconds.
    TimedOut(u64),
    /// The broker closes on `ApiVersions` of version 3: it may know version 0.
    NeedsOldApiVersions,
    /// It will not work before somebody changes something.
    Refused(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Broken(reason) | Failure::Refused(reason) => f.write_str(reason),
            Failure::TimedOut(after_ms) => write!(f, "no answer within {after_ms} ms"),
            Failure::NeedsOldApiVersions => f.write_str("it closes on ApiVersions"),
        }
    }
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Failure {
        Failure::Broken(format!("its answer {}", malformed.0))
    }
}

pub(crate) fn no_mechanism(wanted: Mechanism, offered: &[&str]) -> Failure {
    let offered: Vec<&str> = KNOWN_MECHANISMS.into_iter().filter(|known| offered.contains(known)).collect();
    let offered =
        if offered.is_empty() { "no mechanism that is known here".to_owned() } else { offered.join(", ") };
    Failure::Refused(format!("it does not have SASL {}; it has {offered}", wanted.name()))
}

pub(crate) fn login_failure(mechanism: Mechanism, error: i16) -> Failure {
    let (mechanism, error_text) = (mechanism.name(), codes::shown(error));
    if error == codes::SASL_AUTHENTICATION_FAILED {
        Failure::Refused(format!("it refuses the credentials (SASL {mechanism}, {error_text})"))
    } else if codes::meaning(error).kind == RejectionKind::Permanent {
        Failure::Refused(format!("SASL {mechanism} does not work: {error_text}"))
    } else {
        Failure::Broken(format!("SASL {mechanism} does not work now: {error_text}"))
    }
}

pub(crate) fn scram_failure(mechanism: Mechanism, refused: Refused) -> Failure {
    Failure::Refused(format!("it {refused} (SASL {})", mechanism.name()))
}
