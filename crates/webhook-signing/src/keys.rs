//! Comparing what a caller presents with the keys that are accepted.

use subtle::{Choice, ConstantTimeEq};

/// Whether `presented` is one of the accepted keys. Every key is compared, each in constant time for its length;
/// empty keys are never accepted.
pub fn key_matches<'a>(presented: &str, accepted: impl IntoIterator<Item = &'a str>) -> bool {
    let mut found = Choice::from(0);
    for key in accepted {
        found |= key.as_bytes().ct_eq(presented.as_bytes()) & Choice::from(u8::from(!key.is_empty()));
    }
    found.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_key_matches() {
        let keys = ["sb_secret_abc", "legacy"];
        assert!(key_matches("sb_secret_abc", keys));
        assert!(key_matches("legacy", keys));
        for wrong in ["", "sb_secret_ab", "sb_secret_abcd", "SB_SECRET_ABC", "sb_secret_abc legacy"] {
            assert!(!key_matches(wrong, keys), "{wrong}");
        }
    }

    #[test]
    fn no_key_or_an_empty_key_accepts_nobody() {
        assert!(!key_matches("", []));
        assert!(!key_matches("", [""]));
        assert!(!key_matches("x", [""]));
    }
}
