//! The ways in which a test request can be wrong.

use thiserror::Error;

/// Why a test request is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TestRequestError {
    /// The body is not a JSON object.
    #[error("body: expected a JSON object like {{\"event_type\": \"webhook.test\"}}")]
    Body,
    /// The body has a field that is none of ours.
    #[error("body: unknown field {name:?}; known: {known}", known = super::FIELDS.join(", "))]
    UnknownField {
        /// Its name, cut after 64 characters.
        name: String,
    },
    /// `event_type` is none that can be tested.
    #[error("event_type: expected one of {known}, got {got}")]
    EventType {
        /// The names that can be tested.
        known: String,
        /// What the request has, as JSON, cut after 64 characters.
        got: String,
    },
    /// `event_data` is not an object.
    #[error("event_data: expected a JSON object, or none for a sample")]
    EventData,
    /// `event_data_override` is not an object.
    #[error("event_data_override: expected a JSON object with the keys of event_data that are to be others")]
    EventDataOverride,
    /// `endpoint_id` is not a UUID.
    #[error("endpoint_id: expected the UUID of an endpoint, got {got}")]
    EndpointId {
        /// What the request has, as JSON, cut after 64 characters.
        got: String,
    },
    /// `endpoint` is not a text.
    #[error("endpoint: expected the name of an endpoint, got {got}")]
    Endpoint {
        /// What the request has, as JSON, cut after 64 characters.
        got: String,
    },
    /// `url` is not a text. What it is, is not shown.
    #[error("url: expected a text like \"https://example.com/webhook\"")]
    Url,
    /// `secret` is not a text. What it is, is not shown.
    #[error("secret: expected a text like \"whsec_…\", as an endpoint's secret_key")]
    Secret,
    /// There is a `secret` and no `url`.
    #[error("secret: belongs to url; an endpoint's own secret_key signs what goes to an endpoint")]
    SecretWithoutUrl,
    /// More than one receiver is named.
    #[error("endpoint_id, endpoint, url: expected one of them at most; leave the others out")]
    SeveralReceivers,
    /// `dry_run` is not a boolean.
    #[error("dry_run: expected true or false, got {got}")]
    DryRun {
        /// What the request has, as JSON, cut after 64 characters.
        got: String,
    },
    /// `tamper` is none that there is.
    #[error("tamper: expected signature, timestamp, body or missing, got {got}")]
    Tamper {
        /// What the request has, as JSON, cut after 64 characters.
        got: String,
    },
}

impl TestRequestError {
    /// A stable name to branch on.
    pub fn code(&self) -> &'static str {
        match self {
            TestRequestError::Body => "invalid_body",
            TestRequestError::UnknownField { .. } => "unknown_field",
            TestRequestError::EventType { .. } => "invalid_event_type",
            TestRequestError::EventData => "invalid_event_data",
            TestRequestError::EventDataOverride => "invalid_event_data_override",
            TestRequestError::EndpointId { .. } => "invalid_endpoint_id",
            TestRequestError::Endpoint { .. } => "invalid_endpoint",
            TestRequestError::Url => "invalid_url",
            TestRequestError::Secret | TestRequestError::SecretWithoutUrl => "invalid_secret",
            TestRequestError::SeveralReceivers => "several_receivers",
            TestRequestError::DryRun { .. } => "invalid_dry_run",
            TestRequestError::Tamper { .. } => "invalid_tamper",
        }
    }
}
