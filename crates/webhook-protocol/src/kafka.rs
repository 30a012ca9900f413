//! Apache Kafka: `kafka://BROKER:PORT,BROKER:PORT/TOPIC`, or `kafkas://` for TLS. The protocol itself is spoken by
//! another module, which is loaded where it is needed.

use std::{fmt, net::Ipv6Addr};

use crate::{
    Adapter, Context, CredentialsError, CredentialsName, KeyBy, Limits, Message, MessageError, Request,
    RequestError, SecretText, TargetError,
    credentials::Fields,
    parts::{Parts, is_name, port_number},
    target::Source,
};

const FORM: &str = "kafka://BROKER:9092/TOPIC, several brokers separated by commas";
const OPTIONS: &str = "key, compression, credentials";
const TOPIC: &str = "1 to 249 letters, digits and ._-, and neither . nor ..";
const DEFAULT_PORT: u16 = 9092;

/// A topic and the brokers to ask first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaTarget {
    /// At least one.
    pub brokers: Vec<Broker>,
    /// The topic's name.
    pub topic: String,
    /// `kafkas://`: every connection is encrypted, and certificates are verified.
    pub tls: bool,
    /// What the records' keys are, from the option `key`: by default `actor`.
    pub key: KeyBy,
    /// From the option `compression`: by default `none`.
    pub compression: KafkaCompression,
    /// From the option `credentials`.
    pub credentials: CredentialsName,
}

/// How record batches are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KafkaCompression {
    /// Not at all.
    #[default]
    None,
    /// With gzip.
    Gzip,
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
    pub(crate) fn parse(source: &Source<'_>) -> Result<KafkaTarget, TargetError> {
        let parts = Parts::split(source)?;
        parts.check_options(OPTIONS)?;
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
        let key = match parts.option("key") {
            None => KeyBy::default(),
            Some(text) => {
                KeyBy::parse(text).ok_or_else(|| TargetError::invalid("option key", text, KeyBy::FORM))?
            }
        };
        let compression = match parts.option("compression") {
            None | Some("none") => KafkaCompression::None,
            Some("gzip") => KafkaCompression::Gzip,
            Some(other) => return Err(TargetError::invalid("option compression", other, "none or gzip")),
        };
        Ok(KafkaTarget {
            brokers: brokers?,
            topic: topic.to_owned(),
            tls: source.scheme == "kafkas",
            key,
            compression,
            credentials: CredentialsName::parse(parts.option(CredentialsName::OPTION))?,
        })
    }
}

/// A batch of records for a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaRequest {
    /// Names the cluster and the credentials: requests with the same can share connections. Holds no secret.
    pub cluster: String,
    /// The brokers to ask first.
    pub brokers: Vec<Broker>,
    /// Whether connections are encrypted.
    pub tls: bool,
    /// Certificates of authorities to trust beside the platform's, in PEM.
    pub ca: Option<String>,
    /// Whom we authenticate as; `None` for nobody.
    pub sasl: Option<KafkaSasl>,
    /// How record batches are compressed.
    pub compression: KafkaCompression,
    /// The topic's name.
    pub topic: String,
    /// One for each message, in their order.
    pub records: Vec<KafkaRecord>,
}

/// Whom we authenticate as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSasl {
    /// How.
    pub mechanism: KafkaMechanism,
    /// The user's name.
    pub username: String,
    /// The password.
    pub password: SecretText,
}

/// A SASL mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KafkaMechanism {
    /// PLAIN: the password is sent as it is.
    Plain,
    /// SCRAM-SHA-256.
    ScramSha256,
    /// SCRAM-SHA-512.
    ScramSha512,
}

impl KafkaMechanism {
    /// The mechanism's name.
    pub fn as_str(self) -> &'static str {
        match self {
            KafkaMechanism::Plain => "plain",
            KafkaMechanism::ScramSha256 => "scram-sha-256",
            KafkaMechanism::ScramSha512 => "scram-sha-512",
        }
    }
}

/// A record: a message as Kafka carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaRecord {
    /// Records with the same key go to the same partition.
    pub key: Option<String>,
    /// The envelope.
    pub value: String,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
}

/// A broker's `message.max.bytes` is 1,048,588 where nobody has changed it; it is for a whole batch of records.
const LIMITS: Limits = Limits { messages: 500, bytes: 1_000_000 };

/// What a record takes beside its key, value and headers, and a header beside its name and value, at most.
const RECORD_BYTES: usize = 40;
const HEADER_BYTES: usize = 10;

impl Adapter for KafkaTarget {
    fn hosts(&self) -> Vec<&str> {
        self.brokers.iter().map(|broker| broker.host.as_str()).collect()
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    fn weigh(&self, message: &Message<'_>) -> Result<usize, MessageError> {
        let headers: usize =
            message.attributes().iter().map(|(name, value)| name.len() + value.len() + HEADER_BYTES).sum();
        let key = self.key.key(message).map_or(0, str::len);
        let bytes = message.body.len() + headers + key + RECORD_BYTES;
        if bytes > LIMITS.bytes {
            return Err(MessageError::TooLarge { protocol: "Kafka", bytes, most: LIMITS.bytes });
        }
        Ok(bytes)
    }

    fn request(&self, messages: &[Message<'_>], context: &Context<'_>) -> Result<Request, RequestError> {
        let (sasl, ca) = self.credentials(context.variable)?;
        let brokers: Vec<String> = self.brokers.iter().map(ToString::to_string).collect();
        let scheme = if self.tls { "kafkas" } else { "kafka" };
        let compression = self.compression;
        Ok(Request::Kafka(KafkaRequest {
            cluster: format!("{scheme}://{} {} {compression:?}", brokers.join(","), self.credentials.key()),
            brokers: self.brokers.clone(),
            tls: self.tls,
            ca,
            sasl,
            compression,
            topic: self.topic.clone(),
            records: messages.iter().map(|message| self.record(message)).collect(),
        }))
    }
}

const CREDENTIALS: &str = r#"a JSON object like {"username":"…","password":"…","mechanism":"scram-sha-512"}"#;
const MECHANISM: &str = "plain, scram-sha-256 or scram-sha-512";

impl KafkaTarget {
    fn record(&self, message: &Message<'_>) -> KafkaRecord {
        let content_type = [("content-type", "application/json".to_owned())];
        let attributes = message.attributes().into_iter().map(|(name, value)| (name, value.into_owned()));
        KafkaRecord {
            key: self.key.key(message).map(str::to_owned),
            value: message.body.to_owned(),
            headers: content_type.into_iter().chain(attributes).collect(),
            timestamp_ms: message.timestamp_s.saturating_mul(1_000),
        }
    }

    /// Whom to authenticate as, and which authority to trust.
    fn credentials(
        &self,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(Option<KafkaSasl>, Option<String>), CredentialsError> {
        let fields = Fields::read(&self.credentials, variable, CREDENTIALS)?;
        let ca = fields.optional("ca", "KAFKA_CA_CERT")?;
        if ca.as_ref().is_some_and(|ca| !ca.contains("-----BEGIN CERTIFICATE-----")) {
            return Err(fields.invalid("ca", "KAFKA_CA_CERT", "certificates in PEM"));
        }
        let Some(username) = fields.optional("username", "KAFKA_USERNAME")? else { return Ok((None, ca)) };
        let password = fields.required("password", "KAFKA_PASSWORD", "the password of the user")?;
        let said = fields.optional("mechanism", "KAFKA_SASL_MECHANISM")?;
        let mechanism = match said.map(|text| text.to_ascii_lowercase()).as_deref() {
            Some("plain") => KafkaMechanism::Plain,
            // Whoever listens would have the password.
            None if self.tls => KafkaMechanism::Plain,
            Some("scram-sha-256") => KafkaMechanism::ScramSha256,
            None | Some("scram-sha-512") => KafkaMechanism::ScramSha512,
            Some(_) => return Err(fields.invalid("mechanism", "KAFKA_SASL_MECHANISM", MECHANISM)),
        };
        Ok((Some(KafkaSasl { mechanism, username, password: SecretText::new(password) }), ca))
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
