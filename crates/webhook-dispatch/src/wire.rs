//! What deliveries show beyond what receivers have always seen, and how they may travel: each can be switched off, down to
//! what a dispatcher of before sent.

use webhook_payload::Additions;
use webhook_protocol::{Beside, Protocol};

/// What goes over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WirePolicy {
    /// `WEBHOOK_IDEMPOTENCY_KEYS`: `idempotency_key` in the envelope, `Idempotency-Key` beside it.
    pub idempotency_keys: bool,
    /// `WEBHOOK_STANDARD_WEBHOOKS`: `webhook-id`, `webhook-timestamp` and `webhook-signature`.
    pub standard_webhooks: bool,
    /// `WEBHOOK_TRACE_CONTEXT`: `trace_id` in the envelope, `traceparent` beside it.
    pub trace_context: bool,
    /// `WEBHOOK_PROTOCOLS`: which protocols deliveries may take.
    pub protocols: Protocols,
    /// `WEBHOOK_TRANSPORT`: what sends requests over HTTP.
    pub transport: Transport,
}

/// What sends requests over HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// HTTP/1.1 over sockets of our own, to the very address that was judged.
    #[default]
    Sockets,
    /// The runtime's `fetch`, which resolves names anew.
    Fetch,
}

/// Some of the protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocols(u32);

impl Default for WirePolicy {
    /// All of it.
    fn default() -> Self {
        WirePolicy {
            idempotency_keys: true,
            standard_webhooks: true,
            trace_context: true,
            protocols: Protocols::ALL,
            transport: Transport::default(),
        }
    }
}

impl WirePolicy {
    pub(crate) fn additions(&self) -> Additions {
        Additions { idempotency_key: self.idempotency_keys, trace_id: self.trace_context }
    }

    pub(crate) fn beside(&self) -> Beside {
        Beside {
            standard: self.standard_webhooks,
            idempotency_key: self.idempotency_keys,
            traceparent: self.trace_context,
        }
    }
}

impl Transport {
    /// What [`Transport::parse`] takes.
    pub(crate) const FORM: &'static str = "sockets or fetch";

    /// By its name.
    pub fn parse(text: &str) -> Option<Transport> {
        [Transport::Sockets, Transport::Fetch].into_iter().find(|transport| transport.as_str() == text)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Sockets => "sockets",
            Transport::Fetch => "fetch",
        }
    }
}

impl Protocols {
    /// All of them.
    pub const ALL: Protocols = Protocols(u32::MAX);
    /// What [`Protocols::parse`] takes.
    pub(crate) const FORM: &'static str = "all, or some of http, sqs, pubsub, kafka, lambda, mail";

    /// `all`, or names separated by commas.
    pub fn parse(text: &str) -> Option<Protocols> {
        if text == "all" {
            return Some(Protocols::ALL);
        }
        let bit = |name: &str| {
            let known = Protocol::ALL.iter().find(|known| known.as_str() == name.trim())?;
            Some(1 << *known as u32)
        };
        text.split(',').map(bit).try_fold(0, |all, bit| Some(all | bit?)).map(Protocols)
    }

    /// Whether a protocol is among them.
    pub fn has(self, protocol: Protocol) -> bool {
        self.0 & (1 << protocol as u32) != 0
    }

    /// What [`Protocols::parse`] reads as the same.
    pub fn text(self) -> String {
        if self == Protocols::ALL {
            return "all".to_owned();
        }
        let named: Vec<&str> =
            Protocol::ALL.iter().filter(|known| self.has(**known)).map(|known| known.as_str()).collect();
        named.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_all_or_a_list() {
        assert_eq!(Protocols::parse("all"), Some(Protocols::ALL));
        let some = Protocols::parse("http, kafka").unwrap();
        assert!(some.has(Protocol::Http) && some.has(Protocol::Kafka) && !some.has(Protocol::Sqs));
        assert_eq!(some.text(), "http,kafka");
        let every: Vec<&str> = Protocol::ALL.iter().map(|known| known.as_str()).collect();
        for protocol in Protocol::ALL {
            assert!(Protocols::parse(&every.join(",")).unwrap().has(*protocol));
            assert!(Protocols::FORM.contains(protocol.as_str()));
        }
        for wrong in ["", "http,", "HTTP", "all,http", "smtp"] {
            assert_eq!(Protocols::parse(wrong), None, "{wrong}");
        }
    }
}
