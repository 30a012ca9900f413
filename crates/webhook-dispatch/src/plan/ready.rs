//! From a claimed row to a message that is signed: the endpoint as it is read, the envelope, the signatures.

use std::rc::Rc;

use webhook_payload::{SpanId, Tamper, TraceParent};
use webhook_protocol::{Beside, HttpUrlParser, Message, Target};
use webhook_signing::{SecretKey, Secrets, Signatures, ToSign, sign_all};

use super::{
    refusal::{Refusal, envelope_of},
    test,
};
use crate::{
    AttemptRef, ClaimedDelivery, Dispatcher, Endpoint, USER_AGENT, options::EndpointOptions,
    small_map::SmallMap,
};

/// How many endpoints are remembered as they were read: reading one again costs little.
const MOST_READ: usize = 1_000;

/// An endpoint, read once for many of its rows: its target, or why it has none.
#[derive(Debug)]
pub(crate) struct ReadEndpoint {
    pub(super) target: Result<(Rc<Target>, EndpointOptions), Refusal>,
    pub(super) secrets: Option<Secrets>,
}

/// A delivery whose envelope is made, and signed where it is to be.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    pub(crate) attempt: AttemptRef,
    event_type: String,
    pub(super) body: String,
    actor: Option<String>,
    request_id: Option<String>,
    timestamp_s: i64,
    traceparent: String,
    pub(super) body_signature: Option<String>,
    pub(super) standard_signature: Option<String>,
    beside: Beside,
}

impl Ready {
    pub(crate) fn message(&self) -> Message<'_> {
        Message {
            body: &self.body,
            delivery_id: &self.attempt.delivery_id,
            event_type: &self.event_type,
            actor: self.actor.as_deref(),
            request_id: self.request_id.as_deref(),
            timestamp_s: self.timestamp_s,
            traceparent: &self.traceparent,
            body_signature: self.body_signature.as_deref(),
            standard_signature: self.standard_signature.as_deref(),
            user_agent: USER_AGENT,
            beside: self.beside,
        }
    }
}

/// A message that is still to be signed, and what it was made of.
pub(crate) struct Draft<'a> {
    pub(super) row: &'a ClaimedDelivery,
    pub(super) read: Rc<ReadEndpoint>,
    pub(super) ready: Ready,
}

impl<U: HttpUrlParser> Dispatcher<U> {
    /// A row's message, not signed yet.
    pub(super) fn draft<'a>(
        &mut self,
        row: &'a ClaimedDelivery,
        tamper: Option<Tamper>,
        now_ms: u64,
    ) -> Result<Draft<'a>, Refusal> {
        let max_attempts = self.settings.retry.max_attempts;
        if row.attempt > max_attempts {
            return Err(Refusal::UsedUp { max_attempts });
        }
        let endpoint = row.endpoint.as_ref().ok_or(Refusal::EndpointMissing)?;
        let read = self.read(endpoint);
        read.target.as_ref().map_err(Clone::clone)?;
        if tamper.is_some() && read.secrets.is_none() {
            return Err(Refusal::Unsigned);
        }
        let ready = self.ready(row, test::sent_at(tamper, now_ms))?;
        Ok(Draft { row, read, ready })
    }

    /// Signs those that have a secret: many at once cost half as much.
    pub(super) fn sign(&self, drafts: &mut [Draft<'_>]) {
        let standard = self.settings.wire.standard_webhooks;
        let to_sign: Vec<ToSign<'_>> = drafts
            .iter()
            .filter_map(|Draft { row, read, ready }| {
                let (body, timestamp_s) = (ready.body.as_bytes(), ready.timestamp_s);
                read.secrets.as_ref().map(|secrets| ToSign {
                    secrets,
                    id: &row.id,
                    timestamp_s,
                    body,
                    standard,
                })
            })
            .collect();
        let signatures = sign_all(&to_sign);
        let signed = drafts.iter_mut().filter(|draft| draft.read.secrets.is_some());
        for (Draft { ready, .. }, Signatures { body, standard }) in signed.zip(signatures) {
            (ready.body_signature, ready.standard_signature) = (Some(body), standard);
        }
    }

    fn ready(&self, row: &ClaimedDelivery, now_ms: u64) -> Result<Ready, Refusal> {
        let most = self.settings.max_payload_bytes;
        let payload = row.payload.as_deref().filter(|text| text.len() as u64 <= most);
        let payload = payload.ok_or(Refusal::PayloadTooLarge { most })?;
        let wire = &self.settings.wire;
        let envelope = envelope_of(row, payload, wire.additions())?;
        let timestamp_s = i64::try_from(now_ms / 1_000).unwrap_or(i64::MAX);
        let traceparent = TraceParent {
            trace_id: envelope.trace_id,
            span_id: SpanId::derive(&row.id, row.attempt),
            is_sampled: self.sampler.is_sampled(envelope.trace_id, envelope.parent.as_ref()),
        };
        Ok(Ready {
            attempt: AttemptRef {
                delivery_id: row.id.clone(),
                attempt: row.attempt,
                trace_id: envelope.trace_id,
                parent: envelope.parent,
            },
            event_type: row.event_type.clone(),
            actor: envelope.actor,
            request_id: envelope.request_id,
            timestamp_s,
            traceparent: traceparent.to_string(),
            body_signature: None,
            standard_signature: None,
            beside: wire.beside(),
            body: envelope.body,
        })
    }

    /// An endpoint as it was read before, if it has not changed since.
    fn read(&mut self, endpoint: &Endpoint) -> Rc<ReadEndpoint> {
        if let Some((known, read)) = self.read.get(endpoint.id.as_str())
            && known == endpoint
        {
            return Rc::clone(read);
        }
        let read = Rc::new(ReadEndpoint {
            target: self.target(endpoint),
            secrets: endpoint.secret_key.as_ref().and_then(SecretKey::secrets),
        });
        if self.read.len() >= MOST_READ {
            self.read = SmallMap::default();
        }
        self.read.insert(endpoint.id.clone(), (endpoint.clone(), Rc::clone(&read)));
        read
    }

    fn target(&self, endpoint: &Endpoint) -> Result<(Rc<Target>, EndpointOptions), Refusal> {
        if !endpoint.is_active {
            return Err(Refusal::EndpointInactive);
        }
        let target = Target::parse(&endpoint.url, &self.http_urls)?;
        let protocol = target.protocol();
        if !self.settings.wire.protocols.has(protocol) {
            return Err(Refusal::ProtocolOff { protocol });
        }
        // Names are resolved, and judged once more, by whoever connects.
        for host in target.adapter().hosts() {
            self.addresses.judge_host(host)?;
        }
        Ok((Rc::new(target), EndpointOptions::read(&endpoint.url, &self.settings)?))
    }
}
