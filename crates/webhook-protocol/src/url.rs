//! The platform's URL parser, as an argument.

/// An HTTP URL as the WHATWG URL standard reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl {
    /// The whole URL, normalised.
    pub href: String,
    /// User name or password are there.
    pub has_credentials: bool,
}

/// Reads URLs the way the runtime that sends the request does, so that what is judged is what is called.
pub trait HttpUrlParser {
    /// Reads an absolute `http` or `https` URL; `None` where the runtime would refuse it.
    fn parse(&self, text: &str) -> Option<HttpUrl>;
}

/// The `url` crate, which follows the same standard as the runtimes.
#[cfg(any(test, feature = "native-url"))]
#[derive(Clone, Copy, Debug, Default)]
pub struct NativeUrlParser;

#[cfg(any(test, feature = "native-url"))]
impl HttpUrlParser for NativeUrlParser {
    fn parse(&self, text: &str) -> Option<HttpUrl> {
        let url = ::url::Url::parse(text).ok()?;
        Some(HttpUrl {
            has_credentials: !url.username().is_empty() || url.password().is_some(),
            href: url.into(),
        })
    }
}
