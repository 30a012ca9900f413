//! HTTP receivers.

use crate::{HttpUrlParser, TargetError};

/// A web server that takes deliveries as POST requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTarget {
    /// The URL to call, normalised, without a fragment: HTTP never sends one.
    pub href: String,
}

impl HttpTarget {
    pub(crate) fn parse(
        scheme: &'static str,
        url: &str,
        http_urls: &impl HttpUrlParser,
    ) -> Result<HttpTarget, TargetError> {
        let parsed = http_urls.parse(url).ok_or(TargetError::InvalidHttpUrl { scheme })?;
        if parsed.has_credentials {
            return Err(TargetError::Credentials);
        }
        let href = parsed.href.split('#').next().unwrap_or_default().to_owned();
        Ok(HttpTarget { href })
    }
}

/// What an HTTP request carries.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The envelope: these bytes were signed.
    pub body: &'a str,
    /// The delivery's id: `webhook-id` and `Idempotency-Key`, the same at every attempt.
    pub delivery_id: &'a str,
    /// This attempt's time, in seconds since 1970.
    pub timestamp_s: i64,
    /// W3C trace context.
    pub traceparent: &'a str,
    /// `X-Webhook-Signature`; `None` for an endpoint without a secret.
    pub body_signature: Option<&'a str>,
    /// `webhook-signature`; `None` for an endpoint without a secret.
    pub standard_signature: Option<&'a str>,
    /// Names us to the receiver.
    pub user_agent: &'a str,
}

/// A request, ready to be sent. Redirects are not to be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// The URL.
    pub url: String,
    /// Always `POST`.
    pub method: &'static str,
    /// Names and values in the order of sending.
    pub headers: Vec<(&'static str, String)>,
    /// The body: sent as it is.
    pub body: String,
}

impl HttpRequest {
    /// The request that carries a message to a target.
    pub fn new(target: &HttpTarget, message: &Message<'_>) -> HttpRequest {
        let mut headers = vec![
            ("Content-Type", "application/json".to_owned()),
            ("User-Agent", message.user_agent.to_owned()),
            ("webhook-id", message.delivery_id.to_owned()),
            ("webhook-timestamp", message.timestamp_s.to_string()),
            ("Idempotency-Key", message.delivery_id.to_owned()),
            ("traceparent", message.traceparent.to_owned()),
        ];
        if let Some(signature) = message.standard_signature {
            headers.push(("webhook-signature", signature.to_owned()));
        }
        if let Some(signature) = message.body_signature {
            headers.push(("X-Webhook-Signature", signature.to_owned()));
        }
        HttpRequest { url: target.href.clone(), method: "POST", headers, body: message.body.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(message: &Message<'_>) -> Vec<&'static str> {
        let target = HttpTarget { href: "https://a.example/".to_owned() };
        HttpRequest::new(&target, message).headers.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn an_unsigned_request_has_all_headers_but_the_signatures() {
        let unsigned = Message {
            body: "{}",
            delivery_id: "d",
            timestamp_s: 1,
            traceparent: "t",
            body_signature: None,
            standard_signature: None,
            user_agent: "u",
        };
        let plain = [
            "Content-Type",
            "User-Agent",
            "webhook-id",
            "webhook-timestamp",
            "Idempotency-Key",
            "traceparent",
        ];
        assert_eq!(names(&unsigned), plain);
        let signed = Message { body_signature: Some("sha256="), standard_signature: Some("v1,"), ..unsigned };
        assert_eq!(
            names(&signed),
            [plain.as_slice(), &["webhook-signature", "X-Webhook-Signature"]].concat()
        );
    }
}
