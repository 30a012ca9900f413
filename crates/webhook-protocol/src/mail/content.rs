//! What a mail says, as HTML and as plain text.

use crate::notice::{NEXT, Notice, fitted, verbatim};

/// RFC 5322 allows longer ones; mail programs do not show them.
const MOST_SUBJECT: usize = 150;
const MOST_TEXT: usize = 4_000;
const MOST_DATA: usize = 20_000;
/// Escapes have up to six units.
const MOST_LINE: usize = 2_000;

/// On one line.
pub(super) fn subject(notice: &Notice) -> String {
    fitted(&notice.headline(), MOST_SUBJECT, verbatim)
}

pub(super) fn text(notice: &Notice) -> String {
    let mut paragraphs = vec![notice.headline()];
    if !notice.summary.is_empty() {
        paragraphs.push(notice.summary.clone());
    }
    if let Some(data) = &notice.data {
        paragraphs.push(fitted(data, MOST_DATA, verbatim));
    }
    if !notice.figures.is_empty() {
        let figures: Vec<String> =
            notice.figures.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        paragraphs.push(figures.join("\n"));
    }
    if !notice.action.is_empty() {
        paragraphs.push(format!("{NEXT}:\n{}", notice.action));
    }
    paragraphs.push(notice.facts("\n", verbatim));
    paragraphs.join("\n\n")
}

/// Without scripts, styles from elsewhere or images: every mail program shows it, and nothing is fetched.
pub(super) fn html(notice: &Notice) -> String {
    let mut html = format!("<h2>{}</h2>", line(&notice.headline()));
    if !notice.summary.is_empty() {
        html.push_str(&format!("<p>{}</p>", fitted(&notice.summary, MOST_TEXT, paragraph)));
    }
    if let Some(data) = &notice.data {
        html.push_str(&format!("<pre>{}</pre>", fitted(data, MOST_DATA, escaped)));
    }
    if !notice.figures.is_empty() {
        let rows: Vec<String> = notice
            .figures
            .iter()
            .map(|(name, value)| format!("<tr><td>{}</td><td><b>{}</b></td></tr>", line(name), line(value)))
            .collect();
        html.push_str(&format!("<table>{}</table>", rows.concat()));
    }
    if !notice.action.is_empty() {
        html.push_str(&format!("<h3>{NEXT}</h3><p>{}</p>", fitted(&notice.action, MOST_TEXT, paragraph)));
    }
    html.push_str(&format!("<p><small>{}</small></p>", notice.facts("<br>", escaped)));
    html
}

fn line(text: &str) -> String {
    fitted(text, MOST_LINE, escaped)
}

fn escaped(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\'' => Some("&#39;"),
        _ => None,
    }
}

fn paragraph(c: char) -> Option<&'static str> {
    if c == '\n' { Some("<br>") } else { escaped(c) }
}
