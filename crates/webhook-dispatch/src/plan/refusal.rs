//! Rows that cannot be sent, and why.

use thiserror::Error;
use webhook_payload::{Additions, Envelope, EnvelopeError, StoredPayload, TraceId, render};
use webhook_protocol::{AddressError, HttpRequestError, MessageError, Protocol, TargetError};

use crate::{
    ClaimedDelivery, Disposition, RowUpdate,
    rows::{ERROR_MESSAGE_CHARS, column_text},
};

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
    /// The operator does not want the protocol.
    #[error("url: {protocol} is not among WEBHOOK_PROTOCOLS; add it there, then replay this delivery")]
    ProtocolOff {
        /// Its name.
        protocol: Protocol,
    },
    /// The endpoint's URL names an address that is not called.
    #[error(transparent)]
    Address(#[from] AddressError),
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
    /// The protocol cannot carry it.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// Some of its text cannot stand in a request.
    #[error(transparent)]
    Request(#[from] HttpRequestError),
    /// Its signatures were to be made wrong, and it has none.
    #[error("tamper: the receiver has no secret, so that nothing is signed; give it one")]
    Unsigned,
}

pub(super) fn envelope_of(
    row: &ClaimedDelivery,
    payload: &str,
    additions: Additions,
) -> Result<Envelope, EnvelopeError> {
    render(&StoredPayload {
        delivery_id: &row.id,
        event_type: &row.event_type,
        created_at: &row.created_at,
        text: payload,
        additions,
    })
}

/// What becomes of a row that cannot be sent, and its event's trace, which the reason names, where it has one.
pub(super) fn refused(row: &ClaimedDelivery, refusal: &Refusal) -> (RowUpdate, Option<TraceId>) {
    let envelope = row.payload.as_deref().and_then(|payload| envelope_of(row, payload, Additions::ALL).ok());
    let trace_id = envelope.map(|envelope| envelope.trace_id);
    let trace = trace_id.map_or(String::new(), |trace_id| format!("; trace {trace_id}"));
    let said = column_text(&format!("not sent: {refusal}"), ERROR_MESSAGE_CHARS - trace.len());
    let update = RowUpdate {
        id: row.id.clone(),
        attempt: row.attempt,
        disposition: Disposition::Exhausted,
        response_status: None,
        response_body: None,
        error_message: Some(said + &trace),
    };
    (update, trace_id)
}
