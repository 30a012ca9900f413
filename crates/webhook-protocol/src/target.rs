//! From a target URL to a typed target.

use std::fmt;

use crate::{
    Adapter, HttpTarget, HttpUrlParser, KafkaTarget, LambdaTarget, MailTarget, PubSubTarget, SqsTarget,
    TargetError,
};

/// A target URL, its scheme known.
pub(crate) struct Source<'a> {
    /// In lower case.
    pub(crate) scheme: &'static str,
    /// The whole URL without blanks around it.
    pub(crate) url: &'a str,
    /// What follows `://` or `mailto:`, without the fragment's options.
    pub(crate) rest: &'a str,
    /// The platform's parser, for what is an HTTP URL.
    pub(crate) http_urls: &'a dyn HttpUrlParser,
}

/// Makes [`Protocol`], [`Target`] and the table of schemes of one list.
macro_rules! schemes {
    ($($(#[doc = $doc:literal])+ $protocol:ident($target:ty) = $name:literal [$($scheme:literal)+])+) => {
        /// How a delivery travels.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Protocol {
            $($(#[doc = $doc])+ $protocol,)+
        }

        impl Protocol {
            /// The protocol's name, as it is shown and stored.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Protocol::$protocol => $name,)+
                }
            }
        }

        /// Where a delivery goes.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Target {
            $($(#[doc = $doc])+ $protocol($target),)+
        }

        impl Target {
            fn read(protocol: Protocol, source: &Source<'_>) -> Result<Target, TargetError> {
                Ok(match protocol {
                    $(Protocol::$protocol => Target::$protocol(<$target>::parse(source)?),)+
                })
            }

            /// What delivers to it.
            pub fn adapter(&self) -> &dyn Adapter {
                match self {
                    $(Target::$protocol(target) => target,)+
                }
            }

            /// The target's protocol.
            pub fn protocol(&self) -> Protocol {
                match self {
                    $(Target::$protocol(_) => Protocol::$protocol,)+
                }
            }
        }

        const SCHEMES: &[(&str, Protocol)] = &[$($(($scheme, Protocol::$protocol),)+)+];
    };
}

// The scheme table: protocol, target, name, schemes.
schemes! {
    /// A web server.
    Http(HttpTarget) = "http" ["http" "https"]
    /// A queue of Amazon SQS.
    Sqs(SqsTarget) = "sqs" ["sqs"]
    /// A topic of Google Cloud Pub/Sub.
    PubSub(PubSubTarget) = "pubsub" ["pubsub"]
    /// A topic of an Apache Kafka cluster.
    Kafka(KafkaTarget) = "kafka" ["kafka" "kafkas"]
    /// A function of AWS Lambda.
    Lambda(LambdaTarget) = "lambda" ["lambda"]
    /// People's mailboxes.
    Mail(MailTarget) = "mail" ["mailto"]
}

impl Protocol {
    /// The protocol of a URL, by its scheme alone.
    ///
    /// # Errors
    /// [`TargetError::Empty`], [`TargetError::MissingScheme`] or [`TargetError::UnsupportedScheme`].
    pub fn from_url(url: &str) -> Result<Protocol, TargetError> {
        split_scheme(url).map(|(_, protocol, _)| protocol)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Target {
    /// Reads a target URL. Blanks around it are dropped; the scheme's case does not matter.
    ///
    /// A fragment with `=` holds options for the dispatcher and is left out; any other is an HTTP URL's anchor.
    ///
    /// # Errors
    /// A [`TargetError`] that names the part that is wrong.
    pub fn parse(url: &str, http_urls: &impl HttpUrlParser) -> Result<Target, TargetError> {
        let (scheme, protocol, rest) = split_scheme(url)?;
        let rest = match rest.split_once('#') {
            Some((rest, fragment)) if fragment.contains('=') => rest,
            _ => rest,
        };
        Target::read(protocol, &Source { scheme, url: url.trim(), rest, http_urls })
    }
}

/// The only scheme that no `//` follows (RFC 6068).
const MAILTO: &str = "mailto";

/// The scheme as the table has it, its protocol, and what follows `://` or `mailto:`.
fn split_scheme(url: &str) -> Result<(&'static str, Protocol, &str), TargetError> {
    let url = url.trim();
    if url.is_empty() {
        return Err(TargetError::Empty);
    }
    let is_mail = |(scheme, _): &(&str, &str)| scheme.eq_ignore_ascii_case(MAILTO);
    let split = url.split_once(':').filter(is_mail).or_else(|| url.split_once("://"));
    let (scheme, rest) = split.ok_or(TargetError::MissingScheme)?;
    // RFC 3986, section 3.1. Anything else before `://` is a URL within a path or query, which no message may show.
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if !is_scheme {
        return Err(TargetError::MissingScheme);
    }
    SCHEMES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(scheme))
        .map(|(known, protocol)| (*known, *protocol, rest))
        .ok_or_else(|| TargetError::UnsupportedScheme { scheme: scheme.chars().take(32).collect() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::{Dialect, NativeUrlParser};

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
        assert_eq!(cases.len(), 178);
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
        let cases: [(&str, &[&str]); 8] = [
            ("https://a.example:8443/hook", &["a.example"]),
            ("sqs://sqs.us-east-1.amazonaws.com/123456789012/orders", &["sqs.us-east-1.amazonaws.com"]),
            ("sqs://orders", &["sqs.us-east-1.amazonaws.com"]),
            ("sqs://orders?endpoint=http://10.0.0.1:4566", &["10.0.0.1"]),
            ("pubsub://my-project/orders", &["pubsub.googleapis.com"]),
            ("lambda://hook?region=eu-west-1", &["lambda.eu-west-1.amazonaws.com"]),
            ("mailto:ops@a.example,dev@b.example", &["api.resend.com"]),
            ("kafka://b1.example:9092,10.0.0.1,[::1]:9093/orders", &["b1.example", "10.0.0.1", "::1"]),
        ];
        for (url, hosts) in cases {
            assert_eq!(Target::parse(url, &NativeUrlParser).unwrap().adapter().hosts(), hosts, "{url}");
        }
    }

    /// All that a target says, options included: an option that is read wrongly shows.
    fn describe(target: &Target) -> String {
        match target {
            Target::Http(http) if http.dialect == Dialect::Plain => http.href.clone(),
            Target::Http(http) => format!("{} as {:?}", http.href, http.dialect),
            Target::Sqs(sqs) => {
                let SqsTarget { queue, region, server, group, credentials } = sqs;
                let (at, whose) = (&server.href, credentials.key());
                format!("{queue} in {region} at {at}, group {group:?}, credentials {whose}")
            }
            Target::PubSub(pubsub) => {
                let PubSubTarget { project, topic, server, has_endpoint: _, ordering, credentials } = pubsub;
                let (at, whose) = (&server.href, credentials.key());
                format!(
                    "projects/{project}/topics/{topic} at {at}, ordering {ordering:?}, credentials {whose}"
                )
            }
            Target::Kafka(kafka) => {
                let KafkaTarget { brokers, topic, tls, key, compression, credentials } = kafka;
                let brokers: Vec<String> = brokers.iter().map(ToString::to_string).collect();
                let tls = if *tls { " over TLS" } else { "" };
                let (at, whose) = (brokers.join(" "), credentials.key());
                format!("{topic} at {at}{tls}, key {key:?}, compression {compression:?}, credentials {whose}")
            }
            Target::Lambda(lambda) => {
                let LambdaTarget { account, function, qualifier, region, server, credentials } = lambda;
                let account = account.as_ref().map_or(String::new(), |account| format!("{account}:"));
                let qualifier = qualifier.as_ref().map_or(String::new(), |name| format!(":{name}"));
                let (at, whose) = (&server.href, credentials.key());
                format!("{account}{function}{qualifier} in {region} at {at}, credentials {whose}")
            }
            Target::Mail(mail) => {
                let MailTarget { recipients, from, server, credentials } = mail;
                let (to, at, whose) = (recipients.join(" "), &server.href, credentials.key());
                let from = from.as_ref().map_or("None".to_owned(), |from| format!("{from:?}"));
                format!("{to} from {from} at {at}, credentials {whose}")
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text: String) {
            let _ = Target::parse(&text, &NativeUrlParser);
        }

        #[test]
        fn no_address_like_text_panics(
            text in "(mailto|MailTo):(//)?[a-z0-9.,@% +é<>-]{0,24}(\\?(([a-z]{0,6}|from|credentials|subject|cc)=?[a-zA-Z0-9@.<>%é ]{0,16}&?){0,3})?(#[a-z=]{0,4})?"
        ) {
            if let Ok(target) = Target::parse(&text, &NativeUrlParser) {
                prop_assert_eq!(Ok(target.protocol()), Protocol::from_url(&text));
            }
        }

        #[test]
        fn no_url_like_text_panics(
            text in "(https?|sqs|pubsub|kafkas?|KAFKA|lambda)://[a-z0-9.:,@\\[\\]é%-]{0,20}(/[a-z0-9._é%-]{0,9}){0,4}(\\?(([a-z]{0,6}|region|group|endpoint|credentials|qualifier|ordering|key|compression)=?[a-zA-Z0-9:/.@$é%_-]{0,12}&?){0,3})?(#[a-z=]{0,4})?"
        ) {
            let parsed = Target::parse(&text, &NativeUrlParser);
            if let Ok(target) = parsed {
                prop_assert_eq!(Ok(target.protocol()), Protocol::from_url(&text));
            }
        }
    }
}
