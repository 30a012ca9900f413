//! What a webhook says: event types and their data, the envelope that receivers get, the idempotency key and
//! the trace context.
//!
//! Text in, text out: a payload is never turned into numbers or maps and back, so `12345678901234567890` and
//! `1.10` arrive as they were stored.

mod envelope;
mod event;
mod event_type;
mod sample;
mod sampler;
#[cfg(feature = "schema")]
mod schema;
mod test_request;
mod trace;

pub use envelope::{Additions, Envelope, EnvelopeError, StoredPayload, render};
pub use event::{
    AutoClosedDiscussion, CancelledRegistration, Event, ExtendedDiscussion, FlaggedComment, JoinedCommunity,
    JoinedPlatform, PostedComment, ReferredUser, RegisteredEvent,
};
pub use event_type::EventType;
pub use sampler::{Ratio, Sampler};
#[cfg(feature = "schema")]
pub use schema::{envelope_schema, events_schema};
pub use test_request::{AdHoc, Receiver, Tamper, TestRequest, TestRequestError};
pub use trace::{SpanId, TraceId, TraceParent, is_uuid};
