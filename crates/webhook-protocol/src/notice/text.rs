//! Texts that fit.

/// A text of at most `most` UTF-16 code units, an ellipsis at its end where it was cut. `written` tells how a character
/// is written where that is not as itself; what it writes stays whole.
pub(crate) fn fitted(text: &str, most: usize, written: fn(char) -> Option<&'static str>) -> String {
    let mut fitting = String::with_capacity(text.len().min(most));
    let mut units = 0;
    // Where to cut, should the text turn out to be too long: the last place with room for the ellipsis.
    let mut end = 0;
    for c in text.chars() {
        let written = written(c);
        units += written.map_or(c.len_utf16(), |written| written.encode_utf16().count());
        if units > most {
            fitting.truncate(end);
            fitting.push('…');
            return fitting;
        }
        match written {
            Some(written) => fitting.push_str(written),
            None => fitting.push(c),
        }
        if units < most {
            end = fitting.len();
        }
    }
    fitting
}

/// Writes every character as itself.
pub(crate) fn verbatim(_: char) -> Option<&'static str> {
    None
}

/// Longer texts than any format shows are not laid out to their end, in bytes.
const MOST_INDENTED_BYTES: usize = 64 * 1024;
/// Deeper levels stand where this one does.
const MOST_DEPTH: usize = 10;

/// A JSON text over lines, its values to the byte: it is not read as numbers.
pub(crate) fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len().min(MOST_INDENTED_BYTES));
    let mut depth = 0_usize;
    let (mut in_text, mut is_escaped) = (false, false);
    let mut chars = json.chars().peekable();
    while let Some(c) = chars.next() {
        if out.len() > MOST_INDENTED_BYTES {
            break;
        }
        if in_text {
            out.push(c);
            in_text = is_escaped || c != '"';
            is_escaped = c == '\\' && !is_escaped;
            continue;
        }
        match c {
            ' ' | '\n' | '\r' | '\t' => {}
            '{' | '[' => {
                while chars.next_if(char::is_ascii_whitespace).is_some() {}
                out.push(c);
                match chars.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => out.push(end),
                    None => {
                        depth += 1;
                        new_line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => {
                out.push(c);
                in_text = c == '"';
            }
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    for _ in 0..depth.min(MOST_DEPTH) {
        out.push_str("  ");
    }
}
