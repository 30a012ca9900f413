//! What people are told of a delivery, in a chat or by mail: read out of its envelope once, written down by each format.
//!
//! Limits are counted in UTF-16 code units, as JavaScript's `length` does: no service counts more of them, whatever it
//! takes for a character.

mod text;

use std::collections::BTreeMap;

use serde_json::{Value, value::RawValue};

pub(crate) use text::{fitted, indented, verbatim};

use crate::{Message, json};

/// The event type of alerts, which are told in words of their own.
const ALERT: &str = "webhook.alert";

/// What is told. A text on one line is not empty, and none but `data` holds control characters other than line breaks.
pub(crate) struct Notice {
    pub(crate) mark: Mark,
    /// One line: an alert's title, or the event's type.
    pub(crate) title: String,
    /// An alert's sentence; empty where there is none.
    pub(crate) summary: String,
    /// What to do next; empty where there is nothing to do.
    pub(crate) action: String,
    /// An alert's numbers by what they are, [`MOST_FIGURES`] of them.
    pub(crate) figures: Vec<(String, String)>,
    /// Another event's `data`, as JSON over lines, its values as they are.
    pub(crate) data: Option<String>,
    /// Which, who, when: one line each.
    pub(crate) facts: Vec<(&'static str, String)>,
}

/// What a notice looks like at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// An alert that is new: critical.
    Critical,
    /// An alert that is new: a warning.
    Warning,
    /// An alert that goes on.
    Reminder,
    /// An alert that is over.
    Resolved,
    /// Any other event.
    Event,
}

/// What stands above the action, in every format.
pub(crate) const NEXT: &str = "What to do next";

/// Slack takes ten fields in a section.
const MOST_FIGURES: usize = 10;
/// A figure's name and its value each.
const MOST_FIGURE: usize = 80;
/// A fact. There are seven at most, so that together they fit wherever one text has to hold them.
const MOST_FACT: usize = 200;
/// An endpoint's name and its id each, which are one fact.
const MOST_NAME: usize = 90;
/// As much of a title, a summary, an action as any format shows.
const MOST_TITLE: usize = 256;
const MOST_TEXT: usize = 4_000;

impl Notice {
    /// Reads a message's envelope. What it does not find there it leaves out.
    pub(crate) fn of(message: &Message<'_>) -> Notice {
        let envelope: BTreeMap<String, &RawValue> = serde_json::from_str(message.body).unwrap_or_default();
        let data = envelope.get("data").map_or(message.body, |data| data.get());
        let alert = if message.event_type == ALERT { json::read(data) } else { Value::Null };
        let mut notice = match line(&alert, "title", MOST_TITLE) {
            Some(title) => Notice::of_alert(title, &alert),
            None => Notice::of_event(message, data, envelope.get("timestamp").copied()),
        };
        if envelope.get("test").is_some_and(|test| test.get() == "true") {
            notice.fact("Test", Some("nothing has happened: the test tool sent this".to_owned()));
        }
        // Not the span: it differs at each attempt, and what is told must not.
        notice.fact("Trace", message.traceparent.split('-').nth(1).and_then(|id| one_line(id, MOST_FACT)));
        notice.fact("Delivery", one_line(message.delivery_id, MOST_FACT));
        notice
    }

    fn of_alert(title: String, alert: &Value) -> Notice {
        let text = |name| json::text(alert, name);
        let severity = line(alert, "severity", MOST_FACT);
        let mark = match (text("state").as_deref(), severity.as_deref()) {
            (Some("resolved"), _) => Mark::Resolved,
            (Some("reminder"), _) => Mark::Reminder,
            (_, Some("warning")) => Mark::Warning,
            _ => Mark::Critical,
        };
        let lines = |name| text(name).map(|text| clean(&text, MOST_TEXT)).unwrap_or_default();
        let mut notice = Notice {
            mark,
            title,
            summary: lines("summary"),
            action: if mark == Mark::Resolved { String::new() } else { lines("action") },
            figures: figures(alert.get("figures")),
            data: None,
            facts: Vec::new(),
        };
        let endpoint = alert.get("endpoint").unwrap_or(&Value::Null);
        let shown = match (line(endpoint, "name", MOST_NAME), line(endpoint, "id", MOST_NAME)) {
            (Some(name), Some(id)) => Some(format!("{name} ({id})")),
            (name, id) => name.or(id),
        };
        notice.fact("Endpoint", shown);
        notice.fact("Severity", severity);
        notice.fact("Since", line(alert, "since", MOST_FACT));
        notice
    }

    fn of_event(message: &Message<'_>, data: &str, timestamp: Option<&RawValue>) -> Notice {
        let mut notice = Notice {
            mark: Mark::Event,
            title: one_line(message.event_type, MOST_TITLE).unwrap_or_else(|| "webhook".to_owned()),
            summary: String::new(),
            action: String::new(),
            figures: Vec::new(),
            data: Some(indented(data)),
            facts: Vec::new(),
        };
        notice.fact("Who", message.actor.and_then(|actor| one_line(actor, MOST_FACT)));
        let when = timestamp.map(|raw| json::read(raw.get()));
        notice.fact("When", when.as_ref().and_then(Value::as_str).and_then(|text| one_line(text, MOST_FACT)));
        notice
    }

    fn fact(&mut self, name: &'static str, value: Option<String>) {
        self.facts.extend(value.map(|value| (name, value)));
    }

    /// The title with its mark, on one line.
    pub(crate) fn headline(&self) -> String {
        let before = match self.mark {
            Mark::Critical => "🔴 ",
            Mark::Warning => "🟠 ",
            Mark::Reminder => "🔁 Still firing: ",
            Mark::Resolved => "✅ Resolved: ",
            Mark::Event => "",
        };
        format!("{before}{}", self.title)
    }

    /// The facts as one text. `written` writes the characters that mean something to the reader's program.
    pub(crate) fn facts(&self, separator: &str, written: fn(char) -> Option<&'static str>) -> String {
        let facts: Vec<String> = self
            .facts
            .iter()
            .map(|(name, value)| format!("{name}: {}", fitted(value, MOST_FACT, written)))
            .collect();
        facts.join(separator)
    }
}

/// Names and values; blanks stand for the names' underscores.
fn figures(figures: Option<&Value>) -> Vec<(String, String)> {
    let Some(Value::Object(figures)) = figures else { return Vec::new() };
    figures
        .iter()
        .filter_map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Some((one_line(&name.replace('_', " "), MOST_FIGURE)?, one_line(&value, MOST_FIGURE)?))
        })
        .take(MOST_FIGURES)
        .collect()
}

/// A member that is a text, on one line.
fn line(object: &Value, name: &str, most: usize) -> Option<String> {
    one_line(object.get(name)?.as_str()?, most)
}

/// A text on one line; `None` where nothing of it is left.
fn one_line(text: &str, most: usize) -> Option<String> {
    let text = clean(text, most).replace('\n', " ");
    (!text.is_empty()).then_some(text)
}

/// A text without blanks around it, and with blanks for the control characters but for line breaks.
fn clean(text: &str, most: usize) -> String {
    let text: String = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    fitted(text.trim(), most, verbatim)
}

#[cfg(test)]
pub(crate) mod tests;
