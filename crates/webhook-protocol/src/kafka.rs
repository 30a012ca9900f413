//! Apache Kafka: `kafka://BROKER:PORT,BROKER:PORT/TOPIC`.

use std::{fmt, net::Ipv6Addr};

use crate::{
    TargetError,
    parts::{Parts, is_name, port_number},
};

const FORM: &str = "kafka://BROKER:9092/TOPIC, several brokers separated by commas";
const TOPIC: &str = "1 to 249 letters, digits and ._-, and neither . nor ..";
const DEFAULT_PORT: u16 = 9092;

/// A topic and the brokers to ask first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaTarget {
    /// At least one.
    pub brokers: Vec<Broker>,
    /// The topic's name.
    pub topic: String,
}

/// A broker's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// A name or an address; IPv6 without its brackets.
    pub host: String,
    /// 9092 where the URL names none.
    pub port: u16,
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl KafkaTarget {
    pub(crate) fn parse(parts: &Parts<'_>) -> Result<KafkaTarget, TargetError> {
        parts.check_options(&[], "none")?;
        if parts.authority.is_empty() {
            return Err(TargetError::Missing { part: "broker", expected: FORM });
        }
        let topic = match parts.segments.as_slice() {
            [] => return Err(TargetError::Missing { part: "topic", expected: FORM }),
            [topic] => *topic,
            [_, more, ..] => return Err(TargetError::invalid("path", more, FORM)),
        };
        if !is_name(topic, 1, 249, "._-") || topic == "." || topic == ".." {
            return Err(TargetError::invalid("topic", topic, TOPIC));
        }
        let brokers: Result<Vec<Broker>, TargetError> = parts.authority.split(',').map(broker).collect();
        Ok(KafkaTarget { brokers: brokers?, topic: topic.to_owned() })
    }
}

fn broker(text: &str) -> Result<Broker, TargetError> {
    let invalid = |part| TargetError::invalid(part, text, "HOST or HOST:PORT");
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (address, rest) = bracketed.split_once(']').ok_or_else(|| invalid("broker"))?;
            if address.parse::<Ipv6Addr>().is_err() {
                return Err(invalid("broker"));
            }
            let port = match rest {
                "" => None,
                rest => Some(rest.strip_prefix(':').ok_or_else(|| invalid("broker"))?),
            };
            (address, port)
        }
        None => {
            let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            if !is_name(host, 1, 253, ".-_") {
                return Err(invalid("broker"));
            }
            (host, port)
        }
    };
    let port = match port {
        None => DEFAULT_PORT,
        Some("") => return Err(invalid("port")),
        Some(digits) => port_number(digits)
            .ok_or_else(|| TargetError::invalid("port", digits, "a number from 1 to 65535"))?,
    };
    Ok(Broker { host: host.to_owned(), port })
}
