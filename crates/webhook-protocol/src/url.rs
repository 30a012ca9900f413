//! The platform's URL parser, as an argument.

/// An HTTP URL as the WHATWG URL standard reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl {
    /// The whole URL, normalised.
    pub href: String,
    /// The scheme is `https`.
    pub tls: bool,
    /// The host name as the standard writes it: lower case, IDNA in its ASCII form, IPv6 in brackets.
    pub host: String,
    /// The port to connect to: the URL's, or its scheme's 80 or 443.
    pub port: u16,
    /// What the request line names: the path and, if there is one, `?` and the query.
    pub path_and_query: String,
    /// User name or password are there.
    pub has_credentials: bool,
}

impl HttpUrl {
    /// Takes a URL apart that a WHATWG parser has normalised; `None` if it is no `http` or `https` URL.
    ///
    /// Parsers give no more than this one text, so that two of them cannot differ in the parts: a normalised URL has
    /// one form, `scheme://[user[:password]@]host[:port]/path[?query][#fragment]`, its port only where it is not the
    /// scheme's, and none of its delimiters unencoded in a part before them.
    pub fn from_href(href: String) -> Option<HttpUrl> {
        let (scheme, rest) = href.split_once("://")?;
        let tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path_and_query) = rest.split_at_checked(rest.find('/')?)?;
        let (has_credentials, host_and_port) = match authority.rsplit_once('@') {
            Some((_, host_and_port)) => (true, host_and_port),
            None => (false, authority),
        };
        let (host, port) = match host_and_port.rsplit_once(':') {
            // A colon within the brackets is a part of an IPv6 address.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (host_and_port, default_port(tls)),
        };
        Some(HttpUrl {
            tls,
            host: host.to_owned(),
            port,
            path_and_query: path_and_query.to_owned(),
            has_credentials,
            href,
        })
    }
}

/// The port of `https` and of `http`.
pub(crate) fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

/// Reads URLs the way the runtime does.
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
        HttpUrl::from_href(::url::Url::parse(text).ok()?.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The parts as the `url` crate itself tells them apart.
    fn assert_parts(text: &str) {
        let Ok(url) = ::url::Url::parse(text) else { return };
        let parsed = HttpUrl::from_href(url.clone().into()).unwrap();
        assert_eq!(parsed.href, url.as_str());
        assert_eq!(Some(parsed.host.as_str()), url.host_str(), "{text}");
        assert_eq!(Some(parsed.port), url.port_or_known_default(), "{text}");
        assert_eq!(parsed.tls, url.scheme() == "https", "{text}");
        let path_and_query = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        assert_eq!(parsed.path_and_query, path_and_query, "{text}");
        let has_credentials = !url.username().is_empty() || url.password().is_some();
        assert_eq!(parsed.has_credentials, has_credentials, "{text}");
    }

    #[test]
    fn a_url_is_taken_apart_as_the_standard_does_it() {
        let urls = [
            "https://example.com",
            "HTTP://Example.COM:80/",
            "http://example.com:443/?",
            "https://example.com:443?a=/b@c:1#d?e#f",
            "https://bücher.example/ü?ü#ü",
            "http://[::1]:8080/",
            "http://[2001:DB8:0::1]",
            "http://0x7f.1/#",
            "http:///a.example//b",
            "http:a.example\\b",
            "https://user@a.example/",
            "https://:pass@a.example/",
            "https://us@er:p@ss:word@a.example:9/",
            "https://@a.example/",
            "http://a.example:0/@:",
        ];
        for url in urls {
            assert!(::url::Url::parse(url).is_ok(), "{url}");
            assert_parts(url);
        }
    }

    #[test]
    fn what_is_no_normalised_http_url_has_no_parts() {
        for href in ["", "https:", "https://a.example", "ftp://a.example/", "https://a:70000/", "https://a:/"]
        {
            assert_eq!(HttpUrl::from_href(href.to_owned()), None, "{href}");
        }
    }

    proptest! {
        #[test]
        fn no_url_is_taken_apart_otherwise(
            text in "https?://([a-zé%:@]{0,9}@)?([a-z0-9.-]{1,12}|\\[[0-9a-f:]{2,9}\\])(:[0-9]{0,5})?([/\\\\][a-z/.?#@:é%\\[\\] ]{0,16})?"
        ) {
            assert_parts(&text);
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = HttpUrl::from_href(text);
        }
    }
}
