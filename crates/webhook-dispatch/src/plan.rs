//! From claimed rows to requests.

use std::collections::BTreeMap;

use thiserror::Error;
use webhook_backoff::Outcome;
use webhook_payload::{EnvelopeError, SpanId, StoredPayload, render, traceparent};
use webhook_protocol::{
    AddressError, AddressPolicy, HttpRequest, HttpRequestError, HttpTarget, HttpUrlParser, Message, Protocol,
    Target, TargetError,
};
use webhook_signing::{SecretKey, Secrets, body_signature, standard_signature};

use crate::{
    ClaimOrder, ClaimedDelivery, Disposition, Endpoint, EndpointFacts, RateWindow, RowUpdate, Settings,
    USER_AGENT,
    endpoints::Endpoints,
    options::EndpointOptions,
    rows::{ERROR_MESSAGE_CHARS, column_text},
};

/// Says what to claim, plans attempts and settles their outcomes. It remembers how its endpoints fare.
#[derive(Clone, Debug)]
pub struct Dispatcher<U> {
    pub(crate) settings: Settings,
    pub(crate) endpoints: Endpoints,
    addresses: AddressPolicy,
    http_urls: U,
}

/// What is to be done with the rows of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// To be sent.
    pub batches: Vec<Batch>,
    /// Rows that cannot be sent at all, each with its reason.
    pub refused: Vec<RowUpdate>,
}

/// The attempts that travel in one request: over HTTP always one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Whose deliveries they are.
    pub endpoint_id: String,
    /// The attempts, in the order of the request's entries.
    pub attempts: Vec<AttemptRef>,
    /// Ready to be sent.
    pub request: HttpRequest,
    /// How long to wait for the whole answer, in milliseconds.
    pub timeout_ms: u64,
}

/// Names one attempt at one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRef {
    /// The delivery.
    pub delivery_id: String,
    /// The attempt's number, from 1.
    pub attempt: u32,
}

/// What the wire did with a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchOutcome {
    /// Whose deliveries they are.
    pub endpoint_id: String,
    /// The attempts that travelled in it.
    pub attempts: Vec<AttemptRef>,
    /// What happened.
    pub outcome: Outcome,
    /// The start of the answer's body, if there was an answer.
    pub response_body: Option<String>,
}

/// Why a delivery is not sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Its last attempt had no outcome. Whatever it was that ended the dispatcher, a row must not do so for ever.
    #[error("all its {max_attempts} attempts are used up, and the last one had no outcome")]
    UsedUp {
        /// How many it had.
        max_attempts: u32,
    },
    /// The row names an endpoint that does not exist.
    #[error("endpoint: there is none with this webhook_config_id")]
    EndpointMissing,
    /// The endpoint is switched off.
    #[error("endpoint: is switched off; set is_active, then replay this delivery")]
    EndpointInactive,
    /// The endpoint's URL is wrong.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The endpoint's URL names an address that is not called.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The endpoint's URL names a protocol that is known and not delivered over.
    #[error("url: this version delivers over http and https only, not over {0}")]
    Protocol(Protocol),
    /// The payload is longer than is sent.
    #[error(
        "payload: has more than the {most} bytes that are sent; make it smaller or raise WEBHOOK_MAX_PAYLOAD"
    )]
    PayloadTooLarge {
        /// How many may be sent.
        most: u64,
    },
    /// The payload makes no envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// Some of its text cannot stand in a request.
    #[error(transparent)]
    Request(#[from] HttpRequestError),
}

/// An endpoint, read once for all its rows of a claim: its target, or why it has none.
struct ReadEndpoint {
    target: Result<(HttpTarget, EndpointOptions), Refusal>,
    secrets: Option<Secrets>,
}

impl<U: HttpUrlParser> Dispatcher<U> {
    /// A dispatcher that knows of no endpoint yet.
    pub fn new(settings: Settings, http_urls: U) -> Self {
        let addresses = AddressPolicy::new(settings.allowed_addresses.clone());
        Dispatcher { settings, endpoints: Endpoints::default(), addresses, http_urls }
    }

    /// Takes in what the tables say of all endpoints that are owed something. `now_ms` is in milliseconds since 1970,
    /// here and below.
    pub fn observe(&mut self, facts: &[EndpointFacts], now_ms: u64) {
        self.endpoints.observe(facts, &self.settings, now_ms);
    }

    /// The endpoints with a rate, whose recent attempts [`Dispatcher::heed`] wants to know.
    pub fn rate_windows(&self) -> Vec<RateWindow> {
        self.endpoints.rate_windows()
    }

    /// Takes in how many attempts an endpoint has had within its rate's window, whoever made them.
    pub fn heed(&mut self, endpoint_id: &str, recent: u32, now_ms: u64) {
        self.endpoints.heed(endpoint_id, recent, now_ms);
    }

    /// Lets the probe of an endpoint with an open breaker through now: somebody says that it works again.
    pub fn probe(&mut self, endpoint_id: &str) {
        self.endpoints.probe(endpoint_id);
    }

    /// What to claim next, with `free` slots left.
    pub fn claim_order(&mut self, free: u32, now_ms: u64) -> ClaimOrder {
        self.endpoints.claim_order(free, &self.settings, now_ms)
    }

    /// Turns claimed rows into batches. `now_ms` is the attempts' time.
    pub fn plan(&mut self, rows: &[ClaimedDelivery], now_ms: u64) -> Plan {
        let mut endpoints = BTreeMap::new();
        let mut plan = Plan { batches: Vec::with_capacity(rows.len()), refused: Vec::new() };
        for row in rows {
            let batch = self.batch(row, &mut endpoints, now_ms);
            self.endpoints.claimed(&row.endpoint_id, batch.is_ok(), now_ms);
            match batch {
                Ok(batch) => plan.batches.push(batch),
                Err(refusal) => plan.refused.push(refused(row, &refusal)),
            }
        }
        plan
    }

    fn batch<'a>(
        &self,
        row: &'a ClaimedDelivery,
        endpoints: &mut BTreeMap<&'a str, ReadEndpoint>,
        now_ms: u64,
    ) -> Result<Batch, Refusal> {
        let max_attempts = self.settings.retry.max_attempts;
        if row.attempt > max_attempts {
            return Err(Refusal::UsedUp { max_attempts });
        }
        let endpoint = row.endpoint.as_ref().ok_or(Refusal::EndpointMissing)?;
        let read = endpoints.entry(&endpoint.id).or_insert_with(|| self.read(endpoint));
        let (target, options) = read.target.as_ref().map_err(Clone::clone)?;
        let most = self.settings.max_payload_bytes;
        let payload = row.payload.as_deref().ok_or(Refusal::PayloadTooLarge { most })?;
        let envelope = render(&StoredPayload {
            delivery_id: &row.id,
            event_type: &row.event_type,
            created_at: &row.created_at,
            text: payload,
        })?;
        let timestamp_s = i64::try_from(now_ms / 1_000).unwrap_or(i64::MAX);
        let body = envelope.body.as_bytes();
        let body_signature = read.secrets.as_ref().map(|secrets| body_signature(secrets, body));
        let standard_signature =
            read.secrets.as_ref().map(|secrets| standard_signature(secrets, &row.id, timestamp_s, body));
        let message = Message {
            body: &envelope.body,
            delivery_id: &row.id,
            timestamp_s,
            traceparent: &traceparent(envelope.trace_id, SpanId::derive(&row.id, row.attempt)),
            body_signature: body_signature.as_deref(),
            standard_signature: standard_signature.as_deref(),
            user_agent: USER_AGENT,
        };
        Ok(Batch {
            endpoint_id: endpoint.id.clone(),
            attempts: vec![AttemptRef { delivery_id: row.id.clone(), attempt: row.attempt }],
            request: HttpRequest::new(target, &message)?,
            timeout_ms: options.timeout_ms,
        })
    }

    fn read(&self, endpoint: &Endpoint) -> ReadEndpoint {
        ReadEndpoint {
            target: self.target(endpoint),
            secrets: endpoint.secret_key.as_ref().and_then(SecretKey::secrets),
        }
    }

    fn target(&self, endpoint: &Endpoint) -> Result<(HttpTarget, EndpointOptions), Refusal> {
        if !endpoint.is_active {
            return Err(Refusal::EndpointInactive);
        }
        let target = Target::parse(&endpoint.url, &self.http_urls)?;
        // Names are resolved, and judged once more, by whoever connects.
        for host in target.hosts() {
            self.addresses.judge_host(host)?;
        }
        match target {
            Target::Http(http) => Ok((http, EndpointOptions::read(&endpoint.url, &self.settings)?)),
            other => Err(Refusal::Protocol(other.protocol())),
        }
    }
}

fn refused(row: &ClaimedDelivery, refusal: &Refusal) -> RowUpdate {
    RowUpdate {
        id: row.id.clone(),
        attempt: row.attempt,
        disposition: Disposition::Exhausted,
        response_status: None,
        response_body: None,
        error_message: Some(column_text(&format!("not sent: {refusal}"), ERROR_MESSAGE_CHARS)),
    }
}

#[cfg(test)]
mod tests {
    use webhook_protocol::{NativeUrlParser, header_fields};
    use webhook_signing::{Received, verify, verify_body_signature};

    use super::*;

    const NOW_MS: u64 = 1_769_680_800_999;

    fn dispatcher() -> Dispatcher<NativeUrlParser> {
        Dispatcher::new(Settings::default(), NativeUrlParser)
    }

    fn row(endpoint: Option<Endpoint>) -> ClaimedDelivery {
        ClaimedDelivery {
            id: "0a6e3f6e-4f0e-4a58-9d2f-9a1b2c3d4e5f".to_owned(),
            event_type: "user.joined_platform".to_owned(),
            payload: Some(
                r#"{"event": "user.joined_platform", "request_id": "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"}"#
                    .to_owned(),
            ),
            attempt: 2,
            endpoint_id: "e".to_owned(),
            created_at: "2026-01-29T10:00:00.000Z".to_owned(),
            endpoint,
        }
    }

    fn endpoint(url: &str, secret_key: Option<&str>) -> Endpoint {
        Endpoint {
            id: "e".to_owned(),
            url: url.to_owned(),
            secret_key: secret_key.map(|text| SecretKey::new(text.to_owned())),
            is_active: true,
        }
    }

    fn header<'a>(batch: &'a Batch, name: &str) -> Option<&'a str> {
        header_fields(&batch.request.head).find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    #[test]
    fn a_request_is_signed_over_the_bytes_that_it_sends() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let plan = dispatcher().plan(&[row(Some(endpoint("https://a.example/hook", Some(secret))))], NOW_MS);
        assert_eq!((plan.batches.len(), plan.refused.len()), (1, 0));
        let batch = &plan.batches[0];
        let secrets = Secrets::parse(secret).unwrap();
        let received = Received {
            id: header(batch, "webhook-id").unwrap(),
            timestamp: header(batch, "webhook-timestamp").unwrap(),
            signature: header(batch, "webhook-signature").unwrap(),
            body: batch.request.body.as_bytes(),
        };
        assert_eq!(received.timestamp, "1769680800");
        assert_eq!(verify(&secrets, &received, 1_769_680_800, 0), Ok(()));
        let body_signature = header(batch, "X-Webhook-Signature").unwrap();
        assert!(verify_body_signature(&secrets, body_signature, batch.request.body.as_bytes()));
        assert_eq!(header(batch, "Idempotency-Key"), Some(received.id));
        let traceparent = header(batch, "traceparent").unwrap();
        assert!(traceparent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{traceparent}");
    }

    #[test]
    fn an_endpoint_without_a_secret_gets_unsigned_requests() {
        for secret in [None, Some("")] {
            let plan = dispatcher().plan(&[row(Some(endpoint("https://a.example/", secret)))], NOW_MS);
            assert_eq!(header(&plan.batches[0], "webhook-signature"), None);
            assert_eq!(header(&plan.batches[0], "X-Webhook-Signature"), None);
        }
    }

    #[test]
    fn an_endpoint_may_have_a_timeout_of_its_own() {
        let plan =
            dispatcher().plan(&[row(Some(endpoint("https://a.example/hook#timeout=3s", None)))], NOW_MS);
        assert_eq!(plan.batches[0].timeout_ms, 3_000);
        assert_eq!(plan.batches[0].request.url, "https://a.example/hook");
    }

    #[test]
    fn every_row_is_either_planned_or_refused_with_a_reason() {
        let rows = [
            row(None),
            row(Some(Endpoint {
                id: "off".to_owned(),
                is_active: false,
                ..endpoint("https://a.example/", None)
            })),
            row(Some(Endpoint { id: "bad".to_owned(), ..endpoint("example.com", None) })),
            row(Some(Endpoint { id: "sqs".to_owned(), ..endpoint("sqs://queue", None) })),
            ClaimedDelivery {
                payload: Some("{".to_owned()),
                ..row(Some(endpoint("https://a.example/", None)))
            },
            ClaimedDelivery { payload: None, ..row(Some(endpoint("https://a.example/", None))) },
            row(Some(Endpoint { id: "option".to_owned(), ..endpoint("https://a.example/#rat=1/s", None) })),
            ClaimedDelivery { id: "a\r\nX: y".to_owned(), ..row(Some(endpoint("https://a.example/", None))) },
            row(Some(Endpoint { id: "inside".to_owned(), ..endpoint("http://0x7f.1/", None) })),
            row(Some(Endpoint { id: "broker".to_owned(), ..endpoint("kafka://b.example,10.0.0.1/t", None) })),
            ClaimedDelivery { attempt: 17, ..row(Some(endpoint("https://a.example/", None))) },
            row(Some(endpoint("https://a.example/", None))),
        ];
        let plan = dispatcher().plan(&rows, NOW_MS);
        let reasons: Vec<String> =
            plan.refused.iter().map(|update| update.error_message.clone().unwrap()).collect();
        assert_eq!(
            reasons,
            [
                "not sent: endpoint: there is none with this webhook_config_id",
                "not sent: endpoint: is switched off; set is_active, then replay this delivery",
                "not sent: url: has no scheme; expected it to begin with http://, https://, sqs://, pubsub:// or kafka://",
                "not sent: url: this version delivers over http and https only, not over sqs",
                "not sent: payload: expected JSON, got a syntax error at line 1, column 1",
                "not sent: payload: has more than the 1048576 bytes that are sent; make it smaller or raise WEBHOOK_MAX_PAYLOAD",
                "not sent: url: unknown option \"rat\"; known: rate, timeout, concurrency",
                "not sent: request: the header webhook-id holds control characters or bytes beyond ASCII",
                "not sent: url: 127.0.0.1 is a loopback address and is not called; a self-hoster can allow it by WEBHOOK_ALLOWED_ADDRESSES=127.0.0.1/32",
                "not sent: url: 10.0.0.1 is a private address and is not called; a self-hoster can allow it by WEBHOOK_ALLOWED_ADDRESSES=10.0.0.1/32",
                "not sent: all its 16 attempts are used up, and the last one had no outcome",
            ]
        );
        assert!(plan.refused.iter().all(|update| update.disposition == Disposition::Exhausted));
        let attempts: Vec<u32> = plan.refused.iter().map(|update| update.attempt).collect();
        assert_eq!(attempts, [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 17]);
        assert_eq!(plan.batches.len(), 1);
    }
}
