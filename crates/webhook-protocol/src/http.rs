//! HTTP receivers.

use std::fmt;

use webhook_http::write_head;

use crate::{
    Adapter, Beside, Context, Dialect, HttpRequestError, HttpUrlParser, Message, Request, RequestError,
    TargetError, target::Source, url::default_port,
};

/// How much of a receiver's body is read, in bytes: enough for the 1000 characters that a row keeps, whatever their length.
pub const MOST_BODY_BYTES: usize = 4_000;

/// A web server that takes deliveries as POST requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTarget {
    /// The URL to call, normalised, without a fragment.
    pub href: String,
    /// The host as a URL writes it: IPv6 in brackets.
    pub host: String,
    /// The port to connect to.
    pub port: u16,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// The `Host` header: the port is there only where it is not the scheme's.
    pub host_header: String,
    /// What the request line names.
    pub path_and_query: String,
    /// What the receiver wants in the body.
    pub dialect: Dialect,
}

impl HttpTarget {
    pub(crate) fn parse(source: &Source<'_>) -> Result<HttpTarget, TargetError> {
        HttpTarget::of_url(source.scheme, source.url, source.http_urls)
    }

    /// The target of a URL whose scheme is `http` or `https`.
    pub(crate) fn of_url(
        scheme: &'static str,
        url: &str,
        http_urls: &dyn HttpUrlParser,
    ) -> Result<HttpTarget, TargetError> {
        let parsed = http_urls.parse(url).ok_or(TargetError::InvalidHttpUrl { scheme })?;
        if parsed.has_credentials {
            return Err(TargetError::Credentials);
        }
        let host_header = if parsed.port == default_port(parsed.tls) {
            parsed.host.clone()
        } else {
            format!("{}:{}", parsed.host, parsed.port)
        };
        Ok(HttpTarget {
            dialect: Dialect::of_url(&parsed)?,
            href: parsed.href.split('#').next().unwrap_or_default().to_owned(),
            host: parsed.host,
            port: parsed.port,
            tls: parsed.tls,
            host_header,
            path_and_query: parsed.path_and_query,
        })
    }

    /// Another URL on the same server.
    fn with_path(&self, path: &str) -> String {
        if path == self.path_and_query {
            return self.href.clone();
        }
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.host_header)
    }
}

/// A request, ready to be sent: `head` and `body` are its bytes. Redirects are not to be followed.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The URL.
    pub url: String,
    /// Always `POST`.
    pub method: &'static str,
    /// Whom to connect to, as a URL writes it: IPv6 in brackets.
    pub host: String,
    /// The port to connect to.
    pub port: u16,
    /// Whether the connection is encrypted; the certificate has to be `host`'s.
    pub tls: bool,
    /// The request line and the headers, up to and with the empty line.
    pub head: String,
    /// The body: sent as it is, in UTF-8.
    pub body: String,
    /// How much of the answer's body is worth reading, in bytes.
    pub most_answer_bytes: usize,
}

impl Adapter for HttpTarget {
    fn hosts(&self) -> Vec<&str> {
        vec![&self.host]
    }

    fn request(&self, messages: &[Message<'_>], _context: &Context<'_>) -> Result<Request, RequestError> {
        let Some(message) = messages.first() else { return Err(HttpRequestError::Path.into()) };
        Ok(Request::Http(HttpRequest::new(self, message)?))
    }
}

impl HttpRequest {
    /// The request that carries a message to a receiver.
    ///
    /// It asks for no compression: an answer comes as it is, and there is nothing that could swell when unpacked. A chat
    /// gets no signatures: it verifies none, and they are of the envelope.
    ///
    /// # Errors
    /// An [`HttpRequestError`] names the text that cannot stand in a request.
    pub fn new(target: &HttpTarget, message: &Message<'_>) -> Result<HttpRequest, HttpRequestError> {
        let timestamp = message.timestamp_s.to_string();
        let told = target.dialect.body(message);
        let signature = |signature| if told.is_none() { signature } else { None };
        let Beside { standard, idempotency_key, traceparent } = message.beside;
        let fields = [
            ("Content-Type", Some("application/json")),
            ("User-Agent", Some(message.user_agent)),
            ("webhook-id", standard.then_some(message.delivery_id)),
            ("webhook-timestamp", standard.then_some(&timestamp)),
            ("Idempotency-Key", idempotency_key.then_some(message.delivery_id)),
            ("traceparent", traceparent.then_some(message.traceparent)),
            ("webhook-signature", signature(message.standard_signature)),
            ("X-Webhook-Signature", signature(message.body_signature)),
            ("Accept", Some("*/*")),
        ];
        let body = told.unwrap_or_else(|| message.body.to_owned());
        HttpRequest::post(target, &target.path_and_query, &fields, body, MOST_BODY_BYTES)
    }

    /// A POST request to a server, with these headers between `Host` and `Content-Length`. `path` is what the request
    /// line names.
    pub(crate) fn post(
        server: &HttpTarget,
        path: &str,
        fields: &[(&'static str, Option<&str>)],
        body: String,
        most_answer_bytes: usize,
    ) -> Result<HttpRequest, HttpRequestError> {
        let mut head = Vec::with_capacity(768);
        write_head(&mut head, path, &server.host_header, fields, body.len())?;
        // It is ASCII.
        let head = String::from_utf8(head).map_err(|_| HttpRequestError::Path)?;
        Ok(HttpRequest {
            url: server.with_path(path),
            method: "POST",
            host: server.host.clone(),
            port: server.port,
            tls: server.tls,
            head,
            body,
            most_answer_bytes,
        })
    }
}

/// Whoever reads a log could use a token that stands in a header or a body.
impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{NativeUrlParser, Target, header_fields, message::tests::UNSIGNED};

    fn target(url: &str) -> HttpTarget {
        match Target::parse(url, &NativeUrlParser) {
            Ok(Target::Http(target)) => target,
            other => panic!("{url}: {other:?}"),
        }
    }

    fn head(url: &str, message: &Message<'_>) -> Result<String, HttpRequestError> {
        HttpRequest::new(&target(url), message).map(|request| request.head)
    }

    #[test]
    fn a_request_is_these_bytes() {
        let signed =
            Message { body_signature: Some("sha256=ab"), standard_signature: Some("v1,x v1,y"), ..UNSIGNED };
        let request = HttpRequest::new(&target("https://A.example:8443/hook?a=b#c"), &signed).unwrap();
        assert_eq!(
            request.head,
            "POST /hook?a=b HTTP/1.1\r\n\
             Host: a.example:8443\r\n\
             Content-Type: application/json\r\n\
             User-Agent: u/1\r\n\
             webhook-id: d\r\n\
             webhook-timestamp: 1\r\n\
             Idempotency-Key: d\r\n\
             traceparent: t\r\n\
             webhook-signature: v1,x v1,y\r\n\
             X-Webhook-Signature: sha256=ab\r\n\
             Accept: */*\r\n\
             Content-Length: 8\r\n\r\n"
        );
        assert_eq!((request.host.as_str(), request.port, request.tls), ("a.example", 8443, true));
        assert_eq!(request.url, "https://a.example:8443/hook?a=b");
        assert_eq!(request.body, UNSIGNED.body);
    }

    #[test]
    fn an_unsigned_request_has_all_headers_but_the_signatures() {
        let head = head("http://[::1]/", &UNSIGNED).unwrap();
        let fields: Vec<(&str, &str)> = header_fields(&head).collect();
        assert_eq!(
            fields,
            [
                ("Host", "[::1]"),
                ("Content-Type", "application/json"),
                ("User-Agent", "u/1"),
                ("webhook-id", "d"),
                ("webhook-timestamp", "1"),
                ("Idempotency-Key", "d"),
                ("traceparent", "t"),
                ("Accept", "*/*"),
                ("Content-Length", "8"),
            ]
        );
    }

    #[test]
    fn a_fragment_is_never_sent() {
        let target = target("https://a.example/hook?a#rate=10/s");
        assert_eq!(target.href, "https://a.example/hook?a");
        assert_eq!(target.path_and_query, "/hook?a");
        assert_eq!((target.host_header.as_str(), target.port, target.tls), ("a.example", 443, true));
    }

    #[test]
    fn no_text_begins_a_line_of_its_own() {
        for text in ["a\r\nX: y", "a\nb", "a\rb", "a\0b", "a\tb", "\u{7f}", "é"] {
            let cases = [
                ("webhook-id", Message { delivery_id: text, ..UNSIGNED }),
                ("traceparent", Message { traceparent: text, ..UNSIGNED }),
                ("User-Agent", Message { user_agent: text, ..UNSIGNED }),
                ("webhook-signature", Message { standard_signature: Some(text), ..UNSIGNED }),
                ("X-Webhook-Signature", Message { body_signature: Some(text), ..UNSIGNED }),
            ];
            for (name, message) in cases {
                assert_eq!(head("http://a.example/", &message), Err(HttpRequestError::Header { name }));
            }
            let made_up = HttpTarget { path_and_query: format!("/{text}"), ..target("http://a.example/") };
            assert_eq!(HttpRequest::new(&made_up, &UNSIGNED), Err(HttpRequestError::Path));
            let made_up = HttpTarget { host_header: text.to_owned(), ..target("http://a.example/") };
            assert_eq!(HttpRequest::new(&made_up, &UNSIGNED), Err(HttpRequestError::Header { name: "Host" }));
        }
    }

    proptest! {
        #[test]
        fn every_url_makes_a_head_of_as_many_lines(
            path in "[a-z/.?&=é%\\[\\] \\t\\r\\n\u{0}-\u{20}]{0,24}",
            delivery_id in "[ -~]{1,40}",
        ) {
            let message = Message { delivery_id: &delivery_id, ..UNSIGNED };
            let head = head(&format!("http://a.example/{path}"), &message).unwrap();
            prop_assert_eq!(head.matches('\n').count(), 11);
            prop_assert_eq!(header_fields(&head).count(), 9);
            prop_assert_eq!(header_fields(&head).nth(3), Some(("webhook-id", delivery_id.trim())));
        }
    }
}
