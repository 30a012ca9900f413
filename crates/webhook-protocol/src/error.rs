//! The ways in which a target URL can be wrong.

use thiserror::Error;

/// What is wrong with a target URL, and how to put it right. Shows no more of the URL than the part that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TargetError {
    /// Nothing but blanks.
    #[error("url: is empty; expected one like https://example.com/webhook")]
    Empty,
    /// No scheme before `://`, and not `mailto:`.
    #[error(
        "url: has no scheme; expected it to begin with http://, https://, sqs://, pubsub://, kafka://, kafkas://, \
         lambda:// or mailto:"
    )]
    MissingScheme,
    /// A scheme that is none of ours.
    #[error(
        "url: unsupported protocol {scheme:?}; expected http://, https://, sqs://, pubsub://, kafka://, kafkas://, \
         lambda:// or mailto:"
    )]
    UnsupportedScheme {
        /// The scheme, cut after 32 characters.
        scheme: String,
    },
    /// The runtime's URL parser refuses it.
    #[error("url: is no valid {scheme} URL; expected one like {scheme}://example.com/webhook")]
    InvalidHttpUrl {
        /// `http` or `https`.
        scheme: &'static str,
    },
    /// User name or password in the URL.
    #[error(
        "url: holds credentials before the @; remove them and let the receiver verify the signature instead"
    )]
    Credentials,
    /// A part is missing.
    #[error("url: has no {part}; expected {expected}")]
    Missing {
        /// The part's name.
        part: &'static str,
        /// The URL's form.
        expected: &'static str,
    },
    /// A part is not of its form.
    #[error("url: {part} {got:?} is not valid; expected {expected}")]
    Invalid {
        /// The part's name.
        part: &'static str,
        /// What stands there, cut after 64 characters.
        got: String,
        /// The part's form.
        expected: &'static str,
    },
    /// An option that the protocol does not have.
    #[error("url: unknown option {name:?}; known: {known}")]
    UnknownOption {
        /// The option's name, cut after 64 characters.
        name: String,
        /// The options that there are.
        known: &'static str,
    },
    /// An option given twice.
    #[error("url: option {name:?} is given twice")]
    RepeatedOption {
        /// The option's name.
        name: String,
    },
    /// A `#…` part where the protocol has none.
    #[error("url: has a fragment after #, which this protocol does not use; remove it")]
    Fragment,
}

impl TargetError {
    /// A stable name to branch on.
    pub fn code(&self) -> &'static str {
        match self {
            TargetError::Empty => "empty",
            TargetError::MissingScheme => "missing_scheme",
            TargetError::UnsupportedScheme { .. } => "unsupported_scheme",
            TargetError::InvalidHttpUrl { .. } => "invalid_http_url",
            TargetError::Credentials => "credentials",
            TargetError::Missing { .. } => "missing",
            TargetError::Invalid { .. } => "invalid",
            TargetError::UnknownOption { .. } => "unknown_option",
            TargetError::RepeatedOption { .. } => "repeated_option",
            TargetError::Fragment => "fragment",
        }
    }

    /// An [`TargetError::Invalid`] that shows at most 64 characters of what stands there.
    pub fn invalid(part: &'static str, got: &str, expected: &'static str) -> TargetError {
        TargetError::Invalid { part, got: got.chars().take(64).collect(), expected }
    }
}
