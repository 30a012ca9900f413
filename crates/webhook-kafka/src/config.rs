//! What a producer is told once.

use std::fmt;

use crate::KafkaError;

/// More than any list of bootstrap brokers that people write by hand.
const MOST_BROKERS: usize = 32;

/// Names and passwords: Kafka's strings reach 32,767 bytes, and nobody's credentials do.
const LONGEST_TEXT: usize = 1_024;

/// Which cluster, who we are there, and how long to wait.
#[derive(Clone, Debug)]
pub struct Config {
    /// The brokers to ask first, in turn; the cluster names the others. 1 to 32.
    pub brokers: Vec<Broker>,
    /// What the broker's logs and quotas know us by.
    pub client_id: String,
    /// Credentials, which every connection presents; `None` where the brokers want none.
    pub sasl: Option<Sasl>,
    /// How record batches are packed.
    pub compression: Compression,
    /// How long a broker has for each answer, in milliseconds.
    pub request_timeout_ms: u64,
    /// How long a connection may take, TLS included, in milliseconds.
    pub connect_timeout_ms: u64,
}

impl Config {
    pub(crate) fn uses_scram(&self) -> bool {
        self.sasl.as_ref().is_some_and(|sasl| sasl.mechanism != Mechanism::Plain)
    }

    pub(crate) fn check(&self) -> Result<(), KafkaError> {
        let invalid = |field, expected| Err(KafkaError::Config { field, expected });
        if self.brokers.is_empty() || self.brokers.len() > MOST_BROKERS {
            return invalid("brokers", "1 to 32 brokers");
        }
        if !self.brokers.iter().all(Broker::is_valid) {
            return invalid("brokers", "a host name or an address, and a port from 1 to 65535");
        }
        if self.client_id.len() > LONGEST_TEXT {
            return invalid("clientId", "at most 1,024 bytes");
        }
        if self.request_timeout_ms == 0 || self.connect_timeout_ms == 0 {
            return invalid("requestTimeoutMs, connectTimeoutMs", "at least 1 ms");
        }
        let Some(sasl) = &self.sasl else { return Ok(()) };
        // PLAIN separates its fields with NUL (RFC 4616).
        let is_valid = |text: &str| !text.is_empty() && text.len() <= LONGEST_TEXT && !text.contains('\0');
        if !is_valid(&sasl.username) || !is_valid(sasl.password.text()) {
            return invalid("sasl", "a user name and a password of 1 to 1,024 bytes without NUL");
        }
        Ok(())
    }
}

/// A broker's address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Broker {
    /// A name or an address; IPv6 without its brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
}

impl Broker {
    /// What a broker advertises ends up in messages and in a resolver, so it must look like a host.
    pub(crate) fn is_valid(&self) -> bool {
        let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte);
        (1..=253).contains(&self.host.len()) && self.host.bytes().all(is_host_byte) && self.port != 0
    }
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

/// Credentials. `Debug` shows the mechanism only.
#[derive(Clone)]
pub struct Sasl {
    /// How the password is presented.
    pub mechanism: Mechanism,
    /// The user's name, as the cluster knows it.
    pub username: String,
    /// The user's password.
    pub password: Password,
}

impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sasl({}, redacted)", self.mechanism.name())
    }
}

/// A password. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Takes the password's text.
    pub fn new(text: String) -> Password {
        Password(text)
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

/// A SASL mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616: the password itself, so only over TLS.
    Plain,
    /// RFC 7677.
    ScramSha256,
    /// RFC 5802 with SHA-512, as Kafka has it.
    ScramSha512,
}

impl Mechanism {
    /// As it is written on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// How record batches are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952, which every broker and every consumer can read.
    Gzip,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let password = Password::new("hunter2".to_owned());
        Config {
            brokers: vec![Broker { host: "kafka.example".to_owned(), port: 9092 }],
            client_id: "webhooks".to_owned(),
            sasl: Some(Sasl { mechanism: Mechanism::Plain, username: "wile".to_owned(), password }),
            compression: Compression::None,
            request_timeout_ms: 1_000,
            connect_timeout_ms: 1_000,
        }
    }

    #[test]
    fn debug_shows_no_credentials() {
        let shown = format!("{:?}", config());
        assert!(shown.contains("Sasl(PLAIN, redacted)"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("wile"), "{shown}");
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        assert_eq!(config().check(), Ok(()));
        let field = |change: fn(&mut Config)| {
            let mut config = config();
            change(&mut config);
            match config.check() {
                Err(KafkaError::Config { field, .. }) => field,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(field(|config| config.brokers.clear()), "brokers");
        assert_eq!(field(|config| config.brokers[0].host = "a b".to_owned()), "brokers");
        assert_eq!(field(|config| config.brokers[0].port = 0), "brokers");
        assert_eq!(field(|config| config.connect_timeout_ms = 0), "requestTimeoutMs, connectTimeoutMs");
        let with_nul = |config: &mut Config| config.sasl.as_mut().unwrap().username = "a\0b".to_owned();
        assert_eq!(field(with_nul), "sasl");
    }
}
