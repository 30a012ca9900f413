//! The rows of the two tables, as far as a dispatcher reads and writes them.

use webhook_signing::SecretKey;

/// A delivery that was claimed: its attempt is counted and its lease is taken.
#[derive(Clone, Debug)]
pub struct ClaimedDelivery {
    /// `webhook_deliveries.id`
    pub id: String,
    /// `event_type`
    pub event_type: String,
    /// `payload::text`; `None` where it is longer than is sent.
    pub payload: Option<String>,
    /// `attempts` after the claim: the number of this attempt, from 1.
    pub attempt: u32,
    /// `created_at`, ISO 8601.
    pub created_at: String,
    /// `webhook_config_id`
    pub endpoint_id: String,
    /// Where it goes; `None` where the row names no endpoint that exists.
    pub endpoint: Option<Endpoint>,
    /// Which claim it was and what it has overwritten, as the claim tells it; `None` for a row that was born claimed. Whoever
    /// gives it back unsent says the same.
    pub before: Option<String>,
}

impl ClaimedDelivery {
    /// What it takes of memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.payload.as_ref().map_or(0, String::len)
    }
}

/// An endpoint: a row of `webhook_configurations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `id`
    pub id: String,
    /// `url`
    pub url: String,
    /// `secret_key`; `None` or empty means unsigned.
    pub secret_key: Option<SecretKey>,
    /// `is_active`
    pub is_active: bool,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The receiver has the delivery.
    Delivered,
    /// The delivery waits for its next attempt.
    Retrying,
    /// The delivery is given up, with the reason in `error_message`.
    Exhausted,
}

impl Disposition {
    /// The text in `webhook_deliveries.status`: one of the three that the admin pages know.
    pub fn status(self) -> &'static str {
        match self {
            Disposition::Retrying => "pending",
            Disposition::Delivered => "delivered",
            Disposition::Exhausted => "failed",
        }
    }
}

/// What becomes of a claimed row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowUpdate {
    /// Which row.
    pub id: String,
    /// Which attempt. A row that has been claimed again since is not to be touched.
    pub attempt: u32,
    /// What became of the attempt, and so the row's status.
    pub disposition: Disposition,
    /// The HTTP status of the answer, if there was one.
    pub response_status: Option<u16>,
    /// The start of the answer: at most 1000 characters.
    pub response_body: Option<String>,
    /// Why it was not delivered: at most 500 characters. Set on every row that was attempted and not delivered, and
    /// null while an attempt is under way: the claim tells the two apart by it.
    pub error_message: Option<String>,
}

/// The longest `response_body`, in characters.
pub(crate) const RESPONSE_BODY_CHARS: usize = 1_000;
/// The longest `error_message`, in characters.
pub(crate) const ERROR_MESSAGE_CHARS: usize = 500;

/// Text as a text column takes it: cut, and without NUL, which PostgreSQL refuses.
pub(crate) fn column_text(text: &str, longest: usize) -> String {
    text.chars().map(|c| if c == '\0' { '\u{fffd}' } else { c }).take(longest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_text_is_cut_by_characters_and_holds_no_nul() {
        assert_eq!(column_text("a\0b", 10), "a\u{fffd}b");
        assert_eq!(column_text(&"🎲".repeat(501), 500).chars().count(), 500);
    }
}
