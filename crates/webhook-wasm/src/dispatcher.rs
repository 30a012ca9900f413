//! Planning and settling.

use serde::{Deserialize, Serialize};
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;
use webhook_backoff as backoff;
use webhook_dispatch as dispatch;
use webhook_signing::SecretKey;

use crate::{
    claims::{AllEndpointFacts, ClaimOrder, RateWindow, RateWindows},
    error::{shape_error, whole},
    settings::Settings,
    target::RuntimeUrlParser,
};

/// A claimed row with its endpoint's columns beside it.
#[derive(Deserialize, Tsify)]
pub struct ClaimedRow {
    id: String,
    event_type: String,
    /// `payload::text`; null where it is longer than is sent.
    #[tsify(type = "string | null")]
    payload: Option<String>,
    /// `attempts` after the claim.
    attempt: u32,
    /// ISO 8601
    created_at: String,
    endpoint_id: String,
    /// Null where there is no such endpoint; then the other endpoint columns are null, too.
    #[tsify(type = "string | null")]
    url: Option<String>,
    #[tsify(type = "string | null")]
    secret_key: Option<String>,
    #[tsify(type = "boolean | null")]
    is_active: Option<bool>,
}

/// Claimed rows.
#[derive(Deserialize, Tsify)]
#[serde(transparent)]
pub struct ClaimedRows(Vec<ClaimedRow>);

/// Names one attempt at one delivery.
#[derive(Serialize, Deserialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct AttemptRef {
    delivery_id: String,
    attempt: u32,
}

/// An HTTP request, ready to be sent: `head` and `body` in UTF-8 are its bytes. Redirects are not to be followed.
#[derive(Serialize, Tsify)]
pub struct HttpRequest {
    url: String,
    #[tsify(type = "\"POST\"")]
    method: &'static str,
    /// As a URL writes it: IPv6 in brackets.
    host: String,
    port: u16,
    tls: bool,
    /// The request line and the headers, up to and with the empty line.
    head: String,
    body: String,
}

/// The attempts that travel in one request.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    endpoint_id: String,
    attempts: Vec<AttemptRef>,
    request: HttpRequest,
    timeout_ms: f64,
}

/// What is to be done with the rows of a claim.
#[derive(Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct Plan {
    batches: Vec<Batch>,
    /// Rows that cannot be sent at all, each with its reason.
    refused: Vec<RowUpdate>,
}

/// What the wire did with a request.
#[derive(Deserialize, Tsify)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Outcome {
    /// The receiver answered.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The `location` header.
        #[tsify(type = "string | null")]
        location: Option<String>,
        /// The `retry-after` header.
        #[tsify(type = "string | null")]
        retry_after: Option<String>,
        /// The start of the body.
        body: String,
    },
    /// No answer came in time.
    TimedOut {
        /// How long was waited, in milliseconds.
        after_ms: f64,
    },
    /// No connection came about, or it broke before the answer.
    ConnectionFailed {
        /// What the platform said.
        reason: String,
    },
    /// The target's name has no address that may be called. Nothing was sent.
    AddressRefused {
        /// Which one, and why not.
        reason: String,
    },
}

/// What the wire did with a batch.
#[derive(Deserialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct BatchOutcome {
    endpoint_id: String,
    attempts: Vec<AttemptRef>,
    outcome: Outcome,
}

/// What the wire did with some batches.
#[derive(Deserialize, Tsify)]
#[serde(transparent)]
pub struct BatchOutcomes(Vec<BatchOutcome>);

/// What became of an attempt.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub enum Disposition {
    /// The receiver has the delivery.
    Delivered,
    /// The delivery waits for its next attempt.
    Retrying,
    /// The delivery is given up.
    Exhausted,
}

/// What becomes of a claimed row: columns, and the attempt that guards them.
#[derive(Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct RowUpdate {
    id: String,
    /// A row that has been claimed again since is not to be touched.
    attempt: u32,
    #[tsify(type = "\"pending\" | \"delivered\" | \"failed\"")]
    status: &'static str,
    /// How the attempt counts; not a column.
    disposition: Disposition,
    response_status: Option<u16>,
    response_body: Option<String>,
    error_message: Option<String>,
}

/// What follows from some outcomes.
#[derive(Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct Settled {
    /// One for each attempt.
    updates: Vec<RowUpdate>,
    /// Endpoints whose receiver answered 410: they are to be switched off, and what they are owed ends.
    gone: Vec<String>,
    /// Endpoints whose breaker has opened.
    opened: Vec<String>,
}

/// Says what to claim, plans attempts and settles their outcomes. It remembers how its endpoints fare. Every `nowMs`
/// is in milliseconds since 1970.
#[wasm_bindgen]
pub struct Dispatcher(dispatch::Dispatcher<RuntimeUrlParser>);

#[wasm_bindgen]
impl Dispatcher {
    /// A dispatcher that knows of no endpoint yet.
    #[wasm_bindgen(constructor)]
    pub fn new(settings: Ts<Settings>) -> Result<Dispatcher, JsValue> {
        let settings = settings.to_rust().map_err(shape_error)?.try_into()?;
        Ok(Dispatcher(dispatch::Dispatcher::new(settings, RuntimeUrlParser)))
    }

    /// Takes in what the tables say of all endpoints that are owed something.
    pub fn observe(
        &mut self,
        facts: Ts<AllEndpointFacts>,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<(), JsValue> {
        let facts = facts.to_rust().map_err(shape_error)?;
        let facts: Vec<dispatch::EndpointFacts> = facts.0.into_iter().map(Into::into).collect();
        self.0.observe(&facts, whole(now_ms, "nowMs")?);
        Ok(())
    }

    /// The endpoints with a rate, whose recent attempts `heed` wants to know.
    #[wasm_bindgen(js_name = rateWindows)]
    pub fn rate_windows(&self) -> Result<Ts<RateWindows>, JsValue> {
        let windows = self.0.rate_windows();
        RateWindows(windows.into_iter().map(RateWindow::from).collect()).into_ts().map_err(shape_error)
    }

    /// Takes in how many attempts an endpoint has had within its rate's window, whoever made them.
    pub fn heed(
        &mut self,
        #[wasm_bindgen(js_name = endpointId)] endpoint_id: &str,
        recent: u32,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<(), JsValue> {
        self.0.heed(endpoint_id, recent, whole(now_ms, "nowMs")?);
        Ok(())
    }

    /// Lets the probe of an endpoint with an open breaker through now: somebody says that it works again.
    pub fn probe(&mut self, #[wasm_bindgen(js_name = endpointId)] endpoint_id: &str) {
        self.0.probe(endpoint_id);
    }

    /// What to claim next, with `free` slots left.
    #[wasm_bindgen(js_name = claimOrder)]
    pub fn claim_order(
        &mut self,
        free: u32,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<Ts<ClaimOrder>, JsValue> {
        let order = self.0.claim_order(free, whole(now_ms, "nowMs")?);
        ClaimOrder::from(order).into_ts().map_err(shape_error)
    }

    /// Turns claimed rows into requests. `nowMs` is the attempts' time.
    pub fn plan(
        &mut self,
        rows: Ts<ClaimedRows>,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<Ts<Plan>, JsValue> {
        let rows = rows.to_rust().map_err(shape_error)?;
        let rows: Vec<dispatch::ClaimedDelivery> =
            rows.0.into_iter().map(dispatch::ClaimedDelivery::from).collect();
        let plan = self.0.plan(&rows, whole(now_ms, "nowMs")?);
        let plan = Plan {
            batches: plan.batches.into_iter().map(Batch::from).collect(),
            refused: plan.refused.into_iter().map(RowUpdate::from).collect(),
        };
        plan.into_ts().map_err(shape_error)
    }

    /// Turns outcomes into row updates and what else follows.
    pub fn settle(
        &mut self,
        outcomes: Ts<BatchOutcomes>,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<Ts<Settled>, JsValue> {
        let outcomes = outcomes.to_rust().map_err(shape_error)?;
        let outcomes: Vec<dispatch::BatchOutcome> =
            outcomes.0.into_iter().map(dispatch::BatchOutcome::try_from).collect::<Result<_, _>>()?;
        let dispatch::Settled { updates, gone, opened } = self.0.settle(&outcomes, whole(now_ms, "nowMs")?);
        let updates = updates.into_iter().map(RowUpdate::from).collect();
        Settled { updates, gone, opened }.into_ts().map_err(shape_error)
    }
}

/// Why the deliveries of an endpoint end that has answered 410.
#[wasm_bindgen(js_name = goneReason)]
pub fn gone_reason() -> String {
    dispatch::GONE_REASON.to_owned()
}

impl From<ClaimedRow> for dispatch::ClaimedDelivery {
    fn from(row: ClaimedRow) -> Self {
        let endpoint = row.url.map(|url| dispatch::Endpoint {
            id: row.endpoint_id.clone(),
            url,
            secret_key: row.secret_key.map(SecretKey::new),
            is_active: row.is_active.unwrap_or_default(),
        });
        dispatch::ClaimedDelivery {
            id: row.id,
            event_type: row.event_type,
            payload: row.payload,
            attempt: row.attempt,
            created_at: row.created_at,
            endpoint_id: row.endpoint_id,
            endpoint,
        }
    }
}

impl From<dispatch::Batch> for Batch {
    fn from(batch: dispatch::Batch) -> Self {
        let request = batch.request;
        Batch {
            endpoint_id: batch.endpoint_id,
            attempts: batch
                .attempts
                .into_iter()
                .map(|attempt| AttemptRef { delivery_id: attempt.delivery_id, attempt: attempt.attempt })
                .collect(),
            request: HttpRequest {
                url: request.url,
                method: request.method,
                host: request.host,
                port: request.port,
                tls: request.tls,
                head: request.head,
                body: request.body,
            },
            timeout_ms: batch.timeout_ms as f64,
        }
    }
}

impl TryFrom<BatchOutcome> for dispatch::BatchOutcome {
    type Error = JsValue;

    fn try_from(batch: BatchOutcome) -> Result<Self, JsValue> {
        let (outcome, response_body) = match batch.outcome {
            Outcome::Answered { status, location, retry_after, body } => {
                (backoff::Outcome::Answered { status, location, retry_after }, Some(body))
            }
            Outcome::TimedOut { after_ms } => {
                (backoff::Outcome::TimedOut { after_ms: whole(after_ms, "afterMs")? }, None)
            }
            Outcome::ConnectionFailed { reason } => (backoff::Outcome::ConnectionFailed { reason }, None),
            Outcome::AddressRefused { reason } => (backoff::Outcome::AddressRefused { reason }, None),
        };
        Ok(dispatch::BatchOutcome {
            endpoint_id: batch.endpoint_id,
            attempts: batch
                .attempts
                .into_iter()
                .map(|attempt| dispatch::AttemptRef {
                    delivery_id: attempt.delivery_id,
                    attempt: attempt.attempt,
                })
                .collect(),
            outcome,
            response_body,
        })
    }
}

impl From<dispatch::Disposition> for Disposition {
    fn from(disposition: dispatch::Disposition) -> Self {
        match disposition {
            dispatch::Disposition::Delivered => Disposition::Delivered,
            dispatch::Disposition::Retrying => Disposition::Retrying,
            dispatch::Disposition::Exhausted => Disposition::Exhausted,
        }
    }
}

impl From<dispatch::RowUpdate> for RowUpdate {
    fn from(update: dispatch::RowUpdate) -> Self {
        RowUpdate {
            id: update.id,
            attempt: update.attempt,
            status: update.disposition.status(),
            disposition: update.disposition.into(),
            response_status: update.response_status,
            response_body: update.response_body,
            error_message: update.error_message,
        }
    }
}
