//! What a caller wants to have sent again.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use thiserror::Error;
use webhook_payload::is_uuid;

/// Failed deliveries to put back. They must meet all that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Their ids; `None` for any.
    pub ids: Option<Vec<String>>,
    /// Their endpoint's id.
    pub endpoint_id: Option<String>,
    /// Their event type.
    pub event_type: Option<String>,
    /// They were made at this time or later; ISO 8601.
    pub from: Option<String>,
    /// They were made before this time; ISO 8601.
    pub to: Option<String>,
    /// How many at most, the oldest first.
    pub limit: u32,
    /// Count only.
    pub dry_run: bool,
}

/// Why a replay is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// `replay` is not an object.
    #[error("replay: expected an object like {{\"endpoint_id\": \"…\", \"dry_run\": true}}")]
    Shape,
    /// A field that is none of ours.
    #[error("replay.{name}: unknown field; known: ids, endpoint_id, event_type, from, to, limit, dry_run")]
    UnknownField {
        /// Its name, cut after 64 characters.
        name: String,
    },
    /// A field of the wrong form.
    #[error("replay.{name}: expected {expected}, got {got}")]
    Field {
        /// Which.
        name: &'static str,
        /// Its form.
        expected: &'static str,
        /// What the request has, as JSON, cut after 64 characters.
        got: String,
    },
    /// Nothing says which deliveries.
    #[error("replay: name some deliveries by ids, endpoint_id, event_type, from or to")]
    Everything,
}

impl ReplayError {
    /// A stable name to branch on.
    pub fn code(&self) -> &'static str {
        match self {
            ReplayError::Shape => "invalid_replay",
            ReplayError::UnknownField { .. } => "unknown_field",
            ReplayError::Field { .. } => "invalid_field",
            ReplayError::Everything => "unbounded_replay",
        }
    }
}

const FIELDS: [&str; 7] = ["ids", "endpoint_id", "event_type", "from", "to", "limit", "dry_run"];

impl Replay {
    /// How many a replay puts back where it does not say.
    pub const LIMIT: u32 = 1_000;
    /// How many at most.
    pub const MOST: u32 = 10_000;

    /// Reads the field `replay` of a call, JSON text.
    ///
    /// # Errors
    /// A [`ReplayError`] that names the field.
    pub(crate) fn parse(object: &str) -> Result<Replay, ReplayError> {
        let fields: BTreeMap<String, &RawValue> =
            serde_json::from_str(object).map_err(|_| ReplayError::Shape)?;
        // A misspelt field must not send more than was meant.
        if let Some(name) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            return Err(ReplayError::UnknownField { name: name.chars().take(64).collect() });
        }
        let fields = Fields(fields);
        let replay = Replay {
            ids: fields.read("ids", "a list of 1 to 10000 UUIDs", ids)?,
            endpoint_id: fields.read("endpoint_id", "a UUID", uuid)?,
            event_type: fields.read("event_type", "a text", text)?,
            from: fields.read("from", TIME, time)?,
            to: fields.read("to", TIME, time)?,
            limit: fields.read("limit", "a whole number from 1 to 10000", limit)?.unwrap_or(Replay::LIMIT),
            dry_run: fields.read("dry_run", "true or false", boolean)?.unwrap_or_default(),
        };
        if replay.is_about_everything() { Err(ReplayError::Everything) } else { Ok(replay) }
    }

    fn is_about_everything(&self) -> bool {
        let texts = [&self.endpoint_id, &self.event_type, &self.from, &self.to];
        self.ids.is_none() && texts.into_iter().all(Option::is_none)
    }
}

struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl Fields<'_> {
    /// A field's value; null is as good as nothing.
    fn read<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ReplayError> {
        let Some(raw) = self.0.get(name).map(|raw| raw.get()).filter(|raw| *raw != "null") else {
            return Ok(None);
        };
        let wrong = || ReplayError::Field { name, expected, got: raw.chars().take(64).collect() };
        parse(raw).map(Some).ok_or_else(wrong)
    }
}

fn text(raw: &str) -> Option<String> {
    serde_json::from_str(raw).ok().filter(|text: &String| !text.contains('\0'))
}

fn uuid(raw: &str) -> Option<String> {
    text(raw).filter(|text| is_uuid(text))
}

fn ids(raw: &str) -> Option<Vec<String>> {
    let ids: Vec<String> = serde_json::from_str(raw).ok()?;
    let is_fine = (1..=Replay::MOST as usize).contains(&ids.len()) && ids.iter().all(|id| is_uuid(id));
    is_fine.then_some(ids)
}

fn limit(raw: &str) -> Option<u32> {
    raw.parse().ok().filter(|limit| (1..=Replay::MOST).contains(limit))
}

fn boolean(raw: &str) -> Option<bool> {
    raw.parse().ok()
}

const TIME: &str = "a time like 2026-01-29T10:00:00Z";

/// A date and a time in ISO 8601 with `Z` or an offset: a time without one would be anybody's guess.
fn time(raw: &str) -> Option<String> {
    let text = text(raw)?;
    let (date, clock) = text.split_once(['T', 't', ' '])?;
    let mut days = date.splitn(3, '-');
    let in_range = |text: Option<&str>, digits: usize, least: u32, most: u32| {
        let is_number = |text: &&str| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        text.filter(is_number)
            .and_then(|text| text.parse().ok())
            .is_some_and(|n: u32| (least..=most).contains(&n))
    };
    let is_date = in_range(days.next(), 4, 1, 9999)
        && in_range(days.next(), 2, 1, 12)
        && in_range(days.next(), 2, 1, 31);
    let zone_at = clock.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = clock.split_at_checked(zone_at)?;
    let (seconds, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let is_fraction = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    let mut clock = seconds.splitn(3, ':');
    let is_clock = in_range(clock.next(), 2, 0, 23)
        && in_range(clock.next(), 2, 0, 59)
        && clock.next().is_none_or(|seconds| in_range(Some(seconds), 2, 0, 59));
    let is_zone = zone.eq_ignore_ascii_case("z") || is_offset(zone);
    (is_date && is_clock && is_fraction && is_zone).then(|| text.clone())
}

fn is_offset(zone: &str) -> bool {
    let digits: String = zone.chars().skip(1).filter(|c| *c != ':').collect();
    let is_number = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number && digits.parse().is_ok_and(|offset: u32| offset <= 1_400 && offset % 100 < 60)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0a6e3f6e-4f0e-4a58-9d2f-9a1b2c3d4e5f";

    fn parse(replay: &str) -> Result<Replay, String> {
        Replay::parse(replay).map_err(|error| error.to_string())
    }

    #[test]
    fn every_field_is_read() {
        let replay = parse(&format!(
            r#"{{"ids": ["{ID}"], "endpoint_id": "{ID}", "event_type": "order.paid", "limit": 5, "dry_run": true,
                "from": "2026-01-29T10:00:00Z", "to": "2026-01-30 10:00:00.25+05:30"}}"#
        ));
        let expected = Replay {
            ids: Some(vec![ID.to_owned()]),
            endpoint_id: Some(ID.to_owned()),
            event_type: Some("order.paid".to_owned()),
            from: Some("2026-01-29T10:00:00Z".to_owned()),
            to: Some("2026-01-30 10:00:00.25+05:30".to_owned()),
            limit: 5,
            dry_run: true,
        };
        assert_eq!(replay, Ok(expected));
        let short = parse(r#"{"event_type": "order.paid", "dry_run": null}"#).unwrap();
        assert_eq!((short.limit, short.dry_run, short.ids), (1_000, false, None));
    }

    #[test]
    fn wrong_fields_are_named() {
        let cases = [
            ("[]", "replay: expected an object like {\"endpoint_id\": \"…\", \"dry_run\": true}"),
            ("{}", "replay: name some deliveries by ids, endpoint_id, event_type, from or to"),
            (
                r#"{"endpoint": 1}"#,
                "replay.endpoint: unknown field; known: ids, endpoint_id, event_type, from, to, limit, dry_run",
            ),
            (r#"{"ids": []}"#, "replay.ids: expected a list of 1 to 10000 UUIDs, got []"),
            (r#"{"ids": ["1"]}"#, r#"replay.ids: expected a list of 1 to 10000 UUIDs, got ["1"]"#),
            (r#"{"endpoint_id": "x"}"#, r#"replay.endpoint_id: expected a UUID, got "x""#),
            (
                r#"{"from": "yesterday"}"#,
                r#"replay.from: expected a time like 2026-01-29T10:00:00Z, got "yesterday""#,
            ),
            (
                r#"{"event_type": "a", "limit": 0}"#,
                "replay.limit: expected a whole number from 1 to 10000, got 0",
            ),
            (
                r#"{"event_type": "a", "dry_run": "yes"}"#,
                r#"replay.dry_run: expected true or false, got "yes""#,
            ),
        ];
        for (replay, message) in cases {
            assert_eq!(parse(replay), Err(message.to_owned()), "{replay}");
        }
    }

    #[test]
    fn times_need_a_zone_and_a_calendar() {
        for right in ["2026-01-29T10:00Z", "2026-12-31t23:59:59.999999z", "2026-01-29T10:00:00-0800"] {
            assert!(time(&format!("\"{right}\"")).is_some(), "{right}");
        }
        let wrong = [
            "2026-01-29",
            "2026-01-29T10:00:00",
            "2026-13-01T10:00Z",
            "2026-1-01T10:00Z",
            "2026-01-32T10:00Z",
            "2026-01-29T24:00Z",
            "2026-01-29T10:61Z",
            "2026-01-29T10:00:00.Z",
            "2026-01-29T10:00+99:00",
            "infinity",
            "2026-01-29T10:00Z; drop table",
            "-infinity",
        ];
        for wrong in wrong {
            assert_eq!(time(&format!("\"{wrong}\"")), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_body_panics(body: String, field: String) {
            let _ = Replay::parse(&body);
            let _ = Replay::parse(&format!(r#"{{"from": {field:?}}}"#));
        }
    }
}
