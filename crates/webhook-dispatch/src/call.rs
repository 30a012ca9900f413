//! What a caller asks the dispatcher for.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use thiserror::Error;

use crate::{Replay, ReplayError};

/// The body of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// `replay`: what to put back first.
    pub replay: Option<Replay>,
    /// `linger_s`: answer at once, and look for due deliveries for so long, in milliseconds.
    pub linger_ms: Option<u64>,
}

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The body is not a JSON object.
    #[error("body: expected none, or a JSON object like {{\"replay\": {{\"endpoint_id\": \"…\"}}}}")]
    Body,
    /// Its field `replay` is wrong.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// Its field `linger_s` is wrong.
    #[error("linger_s: expected a whole number of seconds from 1 to {most}, got {got}", most = Call::MOST_LINGER_S)]
    Linger {
        /// What the request has, as JSON, cut after 64 characters.
        got: String,
    },
    /// Whoever wants a count wants it now.
    #[error("linger_s: does not go with replay.dry_run, which delivers nothing; leave one out")]
    LingeringDryRun,
}

impl CallError {
    /// A stable name to branch on.
    pub fn code(&self) -> &'static str {
        match self {
            CallError::Body => "invalid_body",
            CallError::Replay(error) => error.code(),
            CallError::Linger { .. } | CallError::LingeringDryRun => "invalid_linger",
        }
    }
}

impl Call {
    /// Beyond that the platform ends a function even on a paid plan. In seconds.
    pub const MOST_LINGER_S: u64 = 390;

    /// Reads the body of a call. Schedulers send bodies of their own: objects without our fields, and empty ones, ask for
    /// nothing in particular.
    ///
    /// # Errors
    /// A [`CallError`] that names the field.
    pub fn parse(body: &str) -> Result<Call, CallError> {
        if body.trim().is_empty() {
            return Ok(Call::default());
        }
        // A dry run with a comma too many must not be taken for a call to deliver.
        let fields: BTreeMap<String, &RawValue> = serde_json::from_str(body).map_err(|_| CallError::Body)?;
        // Null is as good as nothing.
        let field = |name| fields.get(name).map(|raw| raw.get()).filter(|raw| *raw != "null");
        let call = Call {
            replay: field("replay").map(Replay::parse).transpose()?,
            linger_ms: field("linger_s").map(linger_ms).transpose()?,
        };
        let is_dry = call.replay.as_ref().is_some_and(|replay| replay.dry_run);
        if is_dry && call.linger_ms.is_some() { Err(CallError::LingeringDryRun) } else { Ok(call) }
    }
}

fn linger_ms(raw: &str) -> Result<u64, CallError> {
    let seconds = raw.parse().ok().filter(|seconds| (1..=Call::MOST_LINGER_S).contains(seconds));
    seconds
        .map(|seconds| seconds * 1_000)
        .ok_or_else(|| CallError::Linger { got: raw.chars().take(64).collect() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bodies_of_schedulers_ask_for_nothing() {
        let nulls = r#"{"replay": null, "linger_s": null}"#;
        for body in ["", " ", "{}", r#"{"name": "cron", "replays": {}}"#, nulls] {
            assert_eq!(Call::parse(body), Ok(Call::default()), "{body}");
        }
    }

    #[test]
    fn a_body_that_is_no_object_is_refused() {
        for body in ["null", "[1]", "5", "not json", "{", r#"{"replay": {"dry_run": true,}}"#] {
            assert_eq!(Call::parse(body), Err(CallError::Body), "{body}");
        }
    }

    #[test]
    fn a_call_may_linger_and_put_back() {
        let call = Call::parse(r#"{"linger_s": 390, "replay": {"event_type": "order.paid"}}"#).unwrap();
        assert_eq!(call.linger_ms, Some(390_000));
        assert_eq!(call.replay.unwrap().event_type.as_deref(), Some("order.paid"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |body: &str| Call::parse(body).unwrap_err();
        for got in ["0", "391", "-1", "1.5", "\"60\"", "true", "[]"] {
            let error = wrong(&format!(r#"{{"linger_s": {got}}}"#));
            let message = format!("linger_s: expected a whole number of seconds from 1 to 390, got {got}");
            assert_eq!((error.to_string(), error.code()), (message, "invalid_linger"));
        }
        let both = wrong(r#"{"linger_s": 60, "replay": {"event_type": "a", "dry_run": true}}"#);
        assert_eq!(both, CallError::LingeringDryRun);
        let replay = wrong(r#"{"linger_s": 60, "replay": {}}"#);
        assert_eq!((replay.code(), replay), ("unbounded_replay", ReplayError::Everything.into()));
    }

    proptest! {
        #[test]
        fn no_body_panics(body: String, raw in "[-+0-9.eE\"a-z\\[{]{0,9}") {
            let _ = Call::parse(&body);
            let _ = Call::parse(&format!(r#"{{"linger_s": {raw}}}"#));
        }
    }
}
