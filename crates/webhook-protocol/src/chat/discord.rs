//! Discord: one embed.
//!
//! Source: Discord, "Message Resource", "Embed Limits": title 256, description 4096, 25 fields, a field's name 256 and
//! value 1024, footer 2048, and 6000 in all; "Allowed Mentions Object".

use crate::{
    json::json,
    notice::{Mark, NEXT, Notice, fitted, verbatim},
};

const MOST_TITLE: usize = 256;
/// So that all texts together have no more than 6000.
const MOST_SUMMARY: usize = 1_200;
const MOST_DATA: usize = 3_500;
const MOST_VALUE: usize = 1_000;
/// A figure's name and its value each; ten figures have 2000.
const MOST_FIGURE: usize = 100;
const MOST_FOOTER: usize = 1_500;

pub(super) fn body(notice: &Notice) -> String {
    let description = match &notice.data {
        Some(data) => format!("```json\n{}\n```", fitted(data, MOST_DATA, in_code)),
        None => fitted(&notice.summary, MOST_SUMMARY, escaped),
    };
    let mut fields: Vec<String> = notice
        .figures
        .iter()
        .map(|(name, value)| {
            field(&fitted(name, MOST_FIGURE, escaped), &fitted(value, MOST_FIGURE, escaped), true)
        })
        .collect();
    if !notice.action.is_empty() {
        fields.push(field(NEXT, &fitted(&notice.action, MOST_VALUE, escaped), false));
    }
    let title = json(&fitted(&notice.headline(), MOST_TITLE, escaped));
    let (description, fields) = (json(&description), fields.join(","));
    // A footer knows no formatting.
    let footer = json(&fitted(&notice.facts("  ·  ", verbatim), MOST_FOOTER, verbatim));
    format!(
        "{{\"embeds\":[{{\"title\":{title},\"description\":{description},\"color\":{},\"fields\":[{fields}],\
         \"footer\":{{\"text\":{footer}}}}}],\"allowed_mentions\":{{\"parse\":[]}}}}",
        color(notice.mark)
    )
}

fn field(name: &str, value: &str, is_inline: bool) -> String {
    format!("{{\"name\":{},\"value\":{},\"inline\":{is_inline}}}", json(name), json(value))
}

/// 0xRRGGBB.
fn color(mark: Mark) -> u32 {
    match mark {
        Mark::Critical => 0xed_4245,
        Mark::Warning | Mark::Reminder => 0xf0_9a3e,
        Mark::Resolved => 0x57_f287,
        Mark::Event => 0x5b_65f2,
    }
}

/// What Discord's Markdown gives a meaning.
fn escaped(c: char) -> Option<&'static str> {
    Some(match c {
        '\\' => "\\\\",
        '*' => "\\*",
        '_' => "\\_",
        '~' => "\\~",
        '`' => "\\`",
        '|' => "\\|",
        '#' => "\\#",
        '[' => "\\[",
        ']' => "\\]",
        '<' => "\\<",
        '>' => "\\>",
        _ => return None,
    })
}

/// A space of no width keeps three backticks from ending the code.
fn in_code(c: char) -> Option<&'static str> {
    (c == '`').then_some("`\u{200b}")
}
