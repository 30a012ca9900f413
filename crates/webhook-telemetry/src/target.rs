//! What a span says of where a delivery goes.
//!
//! Source: OpenTelemetry semantic conventions, "HTTP client", "Messaging", "SQS", "Pub/Sub", "Kafka", "FaaS outgoing".

use webhook_protocol::{Dialect, HttpTarget, Target, is_chat_host};

use crate::{Kind, Value};

/// Where deliveries go, as their spans say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) attributes: Vec<(&'static str, Value)>,
}

impl Destination {
    pub(crate) fn of(target: &Target) -> Destination {
        match target {
            Target::Sqs(sqs) => messaging("aws_sqs", "send", sqs.queue.name(), server(&sqs.server)),
            Target::PubSub(pubsub) => {
                messaging("gcp_pubsub", "publish", &pubsub.topic, server(&pubsub.server))
            }
            Target::Kafka(kafka) => {
                let server =
                    kafka.brokers.first().map_or(Vec::new(), |broker| address(&broker.host, broker.port));
                messaging("kafka", "send", &kafka.topic, server)
            }
            Target::Lambda(lambda) => {
                let mut attributes = vec![
                    ("faas.invoked_name", lambda.function.as_str().into()),
                    ("faas.invoked_provider", "aws".into()),
                    ("faas.invoked_region", lambda.region.as_str().into()),
                ];
                attributes.extend(server(&lambda.server));
                Destination { name: format!("invoke {}", lambda.function), kind: Kind::Client, attributes }
            }
            other => http(other),
        }
    }
}

/// A request of a receiver's own. Whatever is no plain URL shows its host alone.
fn http(target: &Target) -> Destination {
    let mut attributes = vec![("http.request.method", "POST".into())];
    match target {
        Target::Http(http) => {
            // A chat's path is its token.
            let is_secret = http.dialect != Dialect::Plain || is_chat_host(&http.host);
            let scheme = if http.tls { "https" } else { "http" };
            let shown = if is_secret {
                format!("{scheme}://{}/REDACTED", http.host_header)
            } else {
                without_values(&http.href)
            };
            attributes.push(("url.full", shown.into()));
            attributes.extend(server(http));
        }
        other => {
            attributes.extend(other.adapter().hosts().first().map(|host| ("server.address", (*host).into())));
        }
    }
    Destination { name: "POST".to_owned(), kind: Kind::Client, attributes }
}

fn messaging(
    system: &str,
    operation: &str,
    destination: &str,
    server: Vec<(&'static str, Value)>,
) -> Destination {
    let mut attributes = vec![
        ("messaging.system", system.into()),
        ("messaging.operation.name", operation.into()),
        ("messaging.operation.type", "send".into()),
        ("messaging.destination.name", destination.into()),
    ];
    attributes.extend(server);
    Destination { name: format!("{operation} {destination}"), kind: Kind::Producer, attributes }
}

fn server(http: &HttpTarget) -> Vec<(&'static str, Value)> {
    address(&http.host, http.port)
}

fn address(host: &str, port: u16) -> Vec<(&'static str, Value)> {
    let host = host.trim_matches(['[', ']']);
    vec![("server.address", host.into()), ("server.port", u32::from(port).into())]
}

/// A URL whose query shows names only: the values may be tokens, and what has no name may be one, too.
fn without_values(href: &str) -> String {
    let Some((path, query)) = href.split_once('?') else { return href.to_owned() };
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) => format!("{name}=REDACTED"),
            None if pair.is_empty() => String::new(),
            None => "REDACTED".to_owned(),
        })
        .collect();
    format!("{path}?{}", pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use webhook_protocol::NativeUrlParser;

    use super::*;

    fn shown(url: &str) -> (String, Kind, String) {
        let Destination { name, kind, attributes } =
            Destination::of(&Target::parse(url, &NativeUrlParser).unwrap());
        let shown = |(name, value): &(&str, Value)| match value {
            Value::Text(text) => format!("{name}={text}"),
            Value::Number(number) => format!("{name}={number}"),
        };
        (name, kind, attributes.iter().map(shown).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn each_protocol_is_told_by_its_conventions() {
        let cases = [
            (
                "https://a.example/hook?token=s3cret&s3cret&=s3cret#rate=1/s",
                ("POST", Kind::Client),
                "http.request.method=POST url.full=https://a.example/hook?token=REDACTED&REDACTED&=REDACTED \
                 server.address=a.example server.port=443",
            ),
            (
                "http://[2001:db8::1]:8080/",
                ("POST", Kind::Client),
                "http.request.method=POST url.full=http://[2001:db8::1]:8080/ server.address=2001:db8::1 server.port=8080",
            ),
            (
                "https://hooks.slack.com/services/T0/B0/s3cret",
                ("POST", Kind::Client),
                "http.request.method=POST url.full=https://hooks.slack.com/REDACTED server.address=hooks.slack.com \
                 server.port=443",
            ),
            (
                "https://hooks.slack.com/triggers/s3cret",
                ("POST", Kind::Client),
                "http.request.method=POST url.full=https://hooks.slack.com/REDACTED server.address=hooks.slack.com \
                 server.port=443",
            ),
            (
                "http://127.0.0.1:8065/hooks/s3cret#format=slack",
                ("POST", Kind::Client),
                "http.request.method=POST url.full=http://127.0.0.1:8065/REDACTED server.address=127.0.0.1 \
                 server.port=8065",
            ),
            (
                "mailto:ops@example.com",
                ("POST", Kind::Client),
                "http.request.method=POST server.address=api.resend.com",
            ),
            (
                "sqs://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo",
                ("send orders.fifo", Kind::Producer),
                "messaging.system=aws_sqs messaging.operation.name=send messaging.operation.type=send \
                 messaging.destination.name=orders.fifo server.address=sqs.eu-west-1.amazonaws.com server.port=443",
            ),
            (
                "pubsub://my-project/orders",
                ("publish orders", Kind::Producer),
                "messaging.system=gcp_pubsub messaging.operation.name=publish messaging.operation.type=send \
                 messaging.destination.name=orders server.address=pubsub.googleapis.com server.port=443",
            ),
            (
                "kafkas://b1.example:9093,b2.example/orders",
                ("send orders", Kind::Producer),
                "messaging.system=kafka messaging.operation.name=send messaging.operation.type=send \
                 messaging.destination.name=orders server.address=b1.example server.port=9093",
            ),
            (
                "lambda://hook?region=eu-west-1",
                ("invoke hook", Kind::Client),
                "faas.invoked_name=hook faas.invoked_provider=aws faas.invoked_region=eu-west-1 \
                 server.address=lambda.eu-west-1.amazonaws.com server.port=443",
            ),
        ];
        for (url, (name, kind), attributes) in cases {
            assert_eq!(shown(url), (name.to_owned(), kind, attributes.to_owned()), "{url}");
        }
    }

    #[test]
    fn a_query_without_values_stays_as_it_is() {
        for url in ["https://a.example/", "https://a.example/?", "https://a.example/?&"] {
            assert_eq!(without_values(url), url);
        }
    }
}
