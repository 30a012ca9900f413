//! Microsoft Teams: a message with an Adaptive Card.
//!
//! All that comes from elsewhere stands in `TextRun`s, which know no Markdown: nothing in it becomes a link.
//!
//! Sources: Microsoft, "Create and send messages" (28 KB a message); Adaptive Cards schema 1.4, "RichTextBlock".

use crate::{
    json::json,
    notice::{Mark, NEXT, Notice, fitted, verbatim},
};

/// A code unit has three bytes at most: no control character is left, whose escapes would be longer. So a card stays below
/// 28 KB, which are 28,672 bytes.
const MOST_TEXT: usize = 1_500;
const MOST_DATA: usize = 2_500;
/// A line of data is a block of its own, of some hundred bytes.
const MOST_LINES: usize = 40;

pub(super) fn body(notice: &Notice) -> String {
    let mut blocks = vec![block(
        &run(&notice.headline(), &format!(",\"size\":\"Large\",\"weight\":\"Bolder\"{}", color(notice.mark))),
        "",
    )];
    if !notice.summary.is_empty() {
        blocks.push(block(&run(&fitted(&notice.summary, MOST_TEXT, verbatim), ""), ""));
    }
    if let Some(data) = &notice.data {
        let data = fitted(data, MOST_DATA, verbatim);
        let is_cut = data.lines().count() > MOST_LINES;
        for (at, line) in data.lines().take(MOST_LINES).enumerate() {
            // Blanks at the beginning of a line would not be shown.
            let level = line.len() - line.trim_start_matches(' ').len();
            let text = format!("{}{}", "\u{a0}".repeat(level), line.get(level..).unwrap_or_default());
            let text = if is_cut && at + 1 == MOST_LINES { "…" } else { &text };
            blocks.push(block(&run(text, ",\"fontType\":\"Monospace\""), if at == 0 { "" } else { NARROW }));
        }
    }
    for (at, (name, value)) in notice.figures.iter().enumerate() {
        let runs = format!("{},{}", run(&format!("{name}: "), BOLD), run(value, ""));
        blocks.push(block(&runs, if at == 0 { "" } else { NARROW }));
    }
    if !notice.action.is_empty() {
        blocks.push(block(&run(NEXT, BOLD), ""));
        blocks.push(block(&run(&fitted(&notice.action, MOST_TEXT, verbatim), ""), NARROW));
    }
    for (at, (name, value)) in notice.facts.iter().enumerate() {
        let fact = run(&format!("{name}: {value}"), ",\"isSubtle\":true,\"size\":\"Small\"");
        blocks.push(block(&fact, if at == 0 { ",\"separator\":true" } else { NARROW }));
    }
    format!(
        "{{\"type\":\"message\",\"attachments\":[{{\"contentType\":\"application/vnd.microsoft.card.adaptive\",\
         \"content\":{{\"$schema\":\"http://adaptivecards.io/schemas/adaptive-card.json\",\"type\":\"AdaptiveCard\",\
         \"version\":\"1.4\",\"body\":[{}]}}}}]}}",
        blocks.join(",")
    )
}

const BOLD: &str = ",\"weight\":\"Bolder\"";
const NARROW: &str = ",\"spacing\":\"None\"";

fn block(runs: &str, style: &str) -> String {
    format!("{{\"type\":\"RichTextBlock\",\"inlines\":[{runs}]{style}}}")
}

fn run(text: &str, style: &str) -> String {
    format!("{{\"type\":\"TextRun\",\"text\":{}{style}}}", json(text))
}

fn color(mark: Mark) -> &'static str {
    match mark {
        Mark::Critical => ",\"color\":\"Attention\"",
        Mark::Warning | Mark::Reminder => ",\"color\":\"Warning\"",
        Mark::Resolved => ",\"color\":\"Good\"",
        Mark::Event => "",
    }
}
