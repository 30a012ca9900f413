//! Addresses of mailboxes.

/// Percent-decoded (RFC 3986, section 2.1); `None` where that gives no text.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' { hex(rest.next()?)? * 16 + hex(rest.next()?)? } else { byte });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    // A digit of base 16 is below 16.
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Whether it is an address of the form that everybody takes: a dot-atom and a domain of two labels or more (RFC 5322,
/// section 3.2.3; RFC 5321, section 4.5.3.1 for the lengths). Neither quoted parts nor literals, and ASCII alone: so
/// nothing in it can begin a header.
pub(super) fn mailbox(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_atom = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    let is_label = |part: &str| {
        (1..=63).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    text.len() <= 254
        && local.len() <= 64
        && local.split('.').all(is_atom)
        && domain.contains('.')
        && domain.split('.').all(is_label)
}

/// Whether it is an address, or a name and an address in angle brackets. The name is plain words: what RFC 5322 wants
/// quoted is not among them, nor what breaks a line or turns its direction.
pub(super) fn sender(text: &str) -> bool {
    let Some((name, rest)) = text.split_once('<') else { return mailbox(text) };
    let is_name = name.len() <= 200
        && !name.trim().is_empty()
        && !name.contains(|c: char| {
            c.is_control()
                || "\"\\,;:()[]@<>".contains(c)
                || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        });
    is_name && rest.strip_suffix('>').is_some_and(mailbox)
}
