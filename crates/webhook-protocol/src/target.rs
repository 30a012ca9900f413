//! From a target URL to a typed target.

use std::fmt;

use crate::{
    HttpTarget, HttpUrlParser, KafkaTarget, PubSubTarget, SqsQueue, SqsTarget, TargetError, parts::Parts,
};

/// How a delivery travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `http://` and `https://`
    Http,
    /// `sqs://`
    Sqs,
    /// `pubsub://`
    PubSub,
    /// `kafka://`
    Kafka,
}

/// The scheme table.
const SCHEMES: [(&str, Protocol); 5] = [
    ("http", Protocol::Http),
    ("https", Protocol::Http),
    ("sqs", Protocol::Sqs),
    ("pubsub", Protocol::PubSub),
    ("kafka", Protocol::Kafka),
];

impl Protocol {
    /// The protocol of a URL, by its scheme alone.
    ///
    /// # Errors
    /// [`TargetError::Empty`], [`TargetError::MissingScheme`] or [`TargetError::UnsupportedScheme`].
    pub fn from_url(url: &str) -> Result<Protocol, TargetError> {
        split_scheme(url).map(|(_, protocol, _)| protocol)
    }

    /// `http`, `sqs`, `pubsub` or `kafka`.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Http => "http",
            Protocol::Sqs => "sqs",
            Protocol::PubSub => "pubsub",
            Protocol::Kafka => "kafka",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a delivery goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A web server.
    Http(HttpTarget),
    /// A queue of Amazon SQS.
    Sqs(SqsTarget),
    /// A topic of Google Cloud Pub/Sub.
    PubSub(PubSubTarget),
    /// A topic of an Apache Kafka cluster.
    Kafka(KafkaTarget),
}

impl Target {
    /// Reads a target URL. Blanks around it are dropped; the scheme's case does not matter.
    ///
    /// # Errors
    /// A [`TargetError`] that names the part that is wrong.
    pub fn parse(url: &str, http_urls: &impl HttpUrlParser) -> Result<Target, TargetError> {
        let (scheme, protocol, rest) = split_scheme(url)?;
        Ok(match protocol {
            Protocol::Http => Target::Http(HttpTarget::parse(scheme, url.trim(), http_urls)?),
            Protocol::Sqs => Target::Sqs(SqsTarget::parse(&Parts::split(rest)?)?),
            Protocol::PubSub => Target::PubSub(PubSubTarget::parse(&Parts::split(rest)?)?),
            Protocol::Kafka => Target::Kafka(KafkaTarget::parse(&Parts::split(rest)?)?),
        })
    }

    /// The hosts that the URL names: what the address policy has to judge. Pub/Sub's is Google's own.
    pub fn hosts(&self) -> Vec<&str> {
        match self {
            Target::Http(http) => vec![&http.host],
            Target::Sqs(sqs) => match &sqs.queue {
                SqsQueue::Url { host, .. } => vec![host],
                SqsQueue::Name(_) => Vec::new(),
            },
            Target::PubSub(_) => Vec::new(),
            Target::Kafka(kafka) => kafka.brokers.iter().map(|broker| broker.host.as_str()).collect(),
        }
    }

    /// The target's protocol.
    pub fn protocol(&self) -> Protocol {
        match self {
            Target::Http(_) => Protocol::Http,
            Target::Sqs(_) => Protocol::Sqs,
            Target::PubSub(_) => Protocol::PubSub,
            Target::Kafka(_) => Protocol::Kafka,
        }
    }
}

/// The scheme as the table has it, its protocol, and what follows `://`.
fn split_scheme(url: &str) -> Result<(&'static str, Protocol, &str), TargetError> {
    let url = url.trim();
    if url.is_empty() {
        return Err(TargetError::Empty);
    }
    let (scheme, rest) = url.split_once("://").ok_or(TargetError::MissingScheme)?;
    // RFC 3986, section 3.1. Anything else before `://` is a URL within a path or query, which no message may show.
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if !is_scheme {
        return Err(TargetError::MissingScheme);
    }
    SCHEMES
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(scheme))
        .map(|(known, protocol)| (known, protocol, rest))
        .ok_or_else(|| TargetError::UnsupportedScheme { scheme: scheme.chars().take(32).collect() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::NativeUrlParser;

    #[derive(Deserialize)]
    struct Case {
        url: String,
        protocol: Option<String>,
        target: Option<String>,
        error: Option<String>,
    }

    #[test]
    fn the_target_vectors_pass() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../../tests/vectors/targets.json")).unwrap();
        assert_eq!(cases.len(), 46);
        for Case { url, protocol, target, error } in cases {
            match Target::parse(&url, &NativeUrlParser) {
                Ok(parsed) => {
                    assert_eq!(Some(parsed.protocol().as_str()), protocol.as_deref(), "{url}");
                    assert_eq!(Some(describe(&parsed)), target, "{url}");
                }
                Err(wrong) => assert_eq!(Some(wrong.to_string()), error, "{url}"),
            }
        }
    }

    #[test]
    fn every_host_of_a_target_is_there_to_be_judged() {
        let cases: [(&str, &[&str]); 5] = [
            ("https://a.example:8443/hook", &["a.example"]),
            ("sqs://sqs.us-east-1.amazonaws.com/123456789012/orders", &["sqs.us-east-1.amazonaws.com"]),
            ("sqs://orders", &[]),
            ("pubsub://my-project/orders", &[]),
            ("kafka://b1.example:9092,10.0.0.1,[::1]:9093/orders", &["b1.example", "10.0.0.1", "::1"]),
        ];
        for (url, hosts) in cases {
            assert_eq!(Target::parse(url, &NativeUrlParser).unwrap().hosts(), hosts, "{url}");
        }
    }

    fn describe(target: &Target) -> String {
        match target {
            Target::Http(http) => http.href.clone(),
            Target::Sqs(sqs) => format!("{} in {}", sqs.queue, sqs.region),
            Target::PubSub(pubsub) => format!("projects/{}/topics/{}", pubsub.project, pubsub.topic),
            Target::Kafka(kafka) => {
                let brokers: Vec<String> = kafka.brokers.iter().map(ToString::to_string).collect();
                format!("{} at {}", kafka.topic, brokers.join(" "))
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text: String) {
            let _ = Target::parse(&text, &NativeUrlParser);
        }

        #[test]
        fn no_url_like_text_panics(
            text in "(https?|sqs|pubsub|kafka|KAFKA)://[a-z0-9.:,@\\[\\]é%-]{0,20}(/[a-z0-9._é%-]{0,9}){0,4}(\\?[a-z=&é]{0,12})?(#[a-z]{0,4})?"
        ) {
            let parsed = Target::parse(&text, &NativeUrlParser);
            if let Ok(target) = parsed {
                prop_assert_eq!(Ok(target.protocol()), Protocol::from_url(&text));
            }
        }
    }
}
