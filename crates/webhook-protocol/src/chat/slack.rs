//! Slack: `text` for notifications, and `blocks`.
//!
//! Sources: Slack, "Sending messages using incoming webhooks"; Block Kit reference, "Header block" (150), "Section
//! block" (3000; 10 fields of 2000), "Context block" (10 elements), "Text object"; "Formatting message text", escaping.

use crate::{
    json::json,
    notice::{NEXT, Notice, fitted, verbatim},
};

const MOST_FALLBACK: usize = 1_000;
const MOST_HEADER: usize = 150;
const MOST_SECTION: usize = 3_000;
const MOST_FIELD: usize = 2_000;

pub(super) fn body(notice: &Notice) -> String {
    let headline = notice.headline();
    let mut blocks = vec![format!(
        "{{\"type\":\"header\",\"text\":{{\"type\":\"plain_text\",\"text\":{},\"emoji\":true}}}}",
        json(&fitted(&headline, MOST_HEADER, verbatim))
    )];
    if !notice.summary.is_empty() {
        blocks.push(section(&fitted(&notice.summary, MOST_SECTION, escaped)));
    }
    if let Some(data) = &notice.data {
        blocks.push(section(&format!("```{}```", fitted(data, MOST_SECTION - 6, in_code))));
    }
    if !notice.figures.is_empty() {
        let fields: Vec<String> = notice
            .figures
            .iter()
            .map(|(name, value)| fitted_field(name, value))
            .map(|text| mrkdwn(&text))
            .collect();
        blocks.push(format!("{{\"type\":\"section\",\"fields\":[{}]}}", fields.join(",")));
    }
    if !notice.action.is_empty() {
        let before = format!("*{NEXT}*\n");
        let action = fitted(&notice.action, MOST_SECTION - before.len(), escaped);
        blocks.push(section(&format!("{before}{action}")));
    }
    if !notice.facts.is_empty() {
        let facts = mrkdwn(&notice.facts("  ·  ", escaped));
        blocks.push(format!("{{\"type\":\"context\",\"elements\":[{facts}]}}"));
    }
    // The summary is told in a notification, where no block is shown.
    let separator = if notice.summary.is_empty() { "" } else { ": " };
    let fallback = format!("{headline}{separator}{}", notice.summary);
    let text = json(&fitted(&fallback, MOST_FALLBACK, escaped));
    format!("{{\"text\":{text},\"blocks\":[{}]}}", blocks.join(","))
}

fn fitted_field(name: &str, value: &str) -> String {
    let half = MOST_FIELD / 2 - 2;
    format!("*{}*\n{}", fitted(name, half, escaped), fitted(value, half, escaped))
}

fn section(text: &str) -> String {
    format!("{{\"type\":\"section\",\"text\":{}}}", mrkdwn(text))
}

/// Verbatim, so that no name of a channel or a person becomes a link, or calls anybody.
fn mrkdwn(text: &str) -> String {
    format!("{{\"type\":\"mrkdwn\",\"text\":{},\"verbatim\":true}}", json(text))
}

fn escaped(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

/// A space of no width keeps three backticks from ending the code.
fn in_code(c: char) -> Option<&'static str> {
    if c == '`' { Some("`\u{200b}") } else { escaped(c) }
}
