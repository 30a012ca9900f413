//! Planning and settling.

use serde::{Deserialize, Serialize};
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;
use webhook_dispatch as dispatch;
use webhook_payload::{TraceId, TraceParent};
use webhook_signing::SecretKey;
use webhook_telemetry::Exporting;

use crate::{
    carry::{Ends, Given, HttpRequest, Outcome, Step, Task},
    claims::{AllEndpointFacts, ClaimOrder, RateWindow, RateWindows},
    error::{shape_error, whole},
    journal::{AllServed, FailedAttempt, FailedAttempts, Served},
    settings::{Settings, VariableLookup, look_up},
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
    /// Which claim it was and what it has overwritten, as `giveBack` says it again; null or not there for a row that was born claimed.
    #[serde(default)]
    #[tsify(optional, type = "string | null")]
    before: Option<String>,
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
    /// From 1.
    attempt: u32,
    /// The event's trace: 32 lower-case hex digits.
    trace_id: String,
    /// The envelope's `traceparent`, where it says what the event came of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[tsify(optional)]
    parent: Option<String>,
}

/// The attempts that travel in one request.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    pub(crate) endpoint_id: String,
    pub(crate) attempts: Vec<AttemptRef>,
    pub(crate) carrier: Carrier,
    pub(crate) timeout_ms: f64,
}

/// How a batch is sent.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub enum Carrier {
    /// One request, whose answer's status says it all.
    Request(HttpRequest),
    /// What `next` says under this number, until it says the end.
    Steps(u32),
}

/// What is to be done with the rows of a claim.
#[derive(Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct Plan {
    batches: Vec<Batch>,
    /// Rows that cannot be sent at all, each with its reason.
    refused: Vec<RowUpdate>,
}

/// What the wire did with a batch.
#[derive(Deserialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct BatchOutcome {
    endpoint_id: String,
    attempts: Vec<AttemptRef>,
    /// How each of them ended, in their order; one alone is that of all.
    ends: Vec<Outcome>,
    /// How long that took.
    duration_ms: f64,
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
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub struct Settled {
    /// One for each attempt.
    updates: Vec<RowUpdate>,
    /// Endpoints whose receiver answered 410: they are to be switched off, and what they are owed ends.
    gone: Vec<String>,
    /// Endpoints whose breaker has opened.
    opened: Vec<String>,
    /// Endpoints that wait for something of ours, credentials most often, and for what.
    not_ready: Vec<NotReady>,
}

/// An endpoint that waits for something of ours.
#[derive(Serialize, Tsify)]
pub struct NotReady {
    pub(crate) endpoint: String,
    pub(crate) error: String,
}

/// Says what to claim, plans attempts and settles their outcomes. It remembers how its endpoints fare. Every `nowMs`
/// is in milliseconds since 1970.
#[wasm_bindgen]
pub struct Dispatcher {
    pub(crate) core: dispatch::Dispatcher<RuntimeUrlParser>,
    /// What has begun and was not handed over yet.
    pub(crate) begun: Vec<dispatch::Begun>,
}

#[wasm_bindgen]
impl Dispatcher {
    /// A dispatcher that knows of no endpoint yet. It looks credentials up by `variable`, when they are needed, and
    /// tells receivers whether an attempt's trace is recorded.
    #[wasm_bindgen(constructor)]
    pub fn new(settings: Ts<Settings>, variable: VariableLookup) -> Result<Dispatcher, JsValue> {
        let settings = settings.to_rust().map_err(shape_error)?.try_into()?;
        let variable = look_up(variable);
        let (exporting, _) = Exporting::read(&variable, &RuntimeUrlParser, "");
        let sampler = exporting.map(|exporting| exporting.sampler).unwrap_or_default();
        let dispatcher = dispatch::Dispatcher::new(settings, RuntimeUrlParser);
        let core = dispatcher.with_variables(variable).with_sampler(sampler);
        Ok(Dispatcher { core, begun: Vec::new() })
    }

    /// Takes in what the tables say of all endpoints that are owed something.
    pub fn observe(
        &mut self,
        facts: Ts<AllEndpointFacts>,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<(), JsValue> {
        let facts = facts.to_rust().map_err(shape_error)?;
        let facts: Vec<dispatch::EndpointFacts> = facts.0.into_iter().map(Into::into).collect();
        self.core.observe(&facts, whole(now_ms, "nowMs")?);
        Ok(())
    }

    /// The endpoints with a rate, whose recent attempts `heed` wants to know.
    #[wasm_bindgen(js_name = rateWindows)]
    pub fn rate_windows(&self) -> Result<Ts<RateWindows>, JsValue> {
        let windows = self.core.rate_windows();
        RateWindows(windows.into_iter().map(RateWindow::from).collect()).into_ts().map_err(shape_error)
    }

    /// Takes in how many attempts an endpoint has had within its rate's window, whoever made them.
    pub fn heed(
        &mut self,
        #[wasm_bindgen(js_name = endpointId)] endpoint_id: &str,
        recent: u32,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<(), JsValue> {
        self.core.heed(endpoint_id, recent, whole(now_ms, "nowMs")?);
        Ok(())
    }

    /// Lets the probe of an endpoint with an open breaker through now: somebody says that it works again.
    pub fn probe(&mut self, #[wasm_bindgen(js_name = endpointId)] endpoint_id: &str) {
        self.core.probe(endpoint_id);
    }

    /// What to claim next, with `free` slots left.
    #[wasm_bindgen(js_name = claimOrder)]
    pub fn claim_order(
        &mut self,
        free: u32,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<Ts<ClaimOrder>, JsValue> {
        let order = self.core.claim_order(free, whole(now_ms, "nowMs")?);
        ClaimOrder::from(order).into_ts().map_err(shape_error)
    }

    /// Turns claimed rows into requests. `nowMs` is the attempts' time.
    pub fn plan(
        &mut self,
        rows: Ts<ClaimedRows>,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<Ts<Plan>, JsValue> {
        let rows: Vec<dispatch::ClaimedDelivery> = rows.to_rust().map_err(shape_error)?.into();
        let plan = self.core.plan(&rows, whole(now_ms, "nowMs")?);
        Plan::from(plan).into_ts().map_err(shape_error)
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
        let settled = self.core.settle(&outcomes, whole(now_ms, "nowMs")?);
        let not_ready = settled.not_ready.into_iter().map(|(endpoint, error)| NotReady { endpoint, error });
        let settled = Settled {
            updates: settled.updates.into_iter().map(RowUpdate::from).collect(),
            gone: settled.gone,
            opened: settled.opened,
            not_ready: not_ready.collect(),
        };
        settled.into_ts().map_err(shape_error)
    }

    /// The attempts that failed since the last time, as far as there is room for them in a log.
    #[wasm_bindgen(js_name = takeFailed)]
    pub fn take_failed(&mut self) -> Result<Ts<FailedAttempts>, JsValue> {
        let failed = self.core.take_failed();
        FailedAttempts(failed.into_iter().map(FailedAttempt::from).collect()).into_ts().map_err(shape_error)
    }

    /// What endpoints got since the last time: `most` of them by themselves, the rest as one.
    #[wasm_bindgen(js_name = takeServed)]
    pub fn take_served(&mut self, most: u32) -> Result<Ts<AllServed>, JsValue> {
        let served = self.core.take_served(most as usize);
        AllServed(served.into_iter().map(Served::from).collect()).into_ts().map_err(shape_error)
    }

    /// What to do next for a batch that goes by steps. `ends` is how the last step ended; null at the beginning and
    /// after a preparation.
    pub fn next(
        &mut self,
        batch: u32,
        ends: Ts<Ends>,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<Ts<Step>, JsValue> {
        let ends = ends.to_rust().map_err(shape_error)?.0;
        let ends = ends.map(|ends| ends.into_iter().map(dispatch::End::try_from).collect::<Result<_, _>>());
        let step = self.core.next(batch, ends.transpose()?, whole(now_ms, "nowMs")?);
        Step::from(step).into_ts().map_err(shape_error)
    }

    /// What to do next for the preparation with this key. `given` is what the last task gave; null at the beginning.
    pub fn prepare(
        &mut self,
        key: &str,
        given: Ts<Given>,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<Ts<Task>, JsValue> {
        let given = given.to_rust().map_err(shape_error)?.0;
        let given = given.map(dispatch::Given::try_from).transpose()?;
        Task::from(self.core.prepare(key, given, whole(now_ms, "nowMs")?)).into_ts().map_err(shape_error)
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
            before: row.before,
        }
    }
}

impl From<ClaimedRows> for Vec<dispatch::ClaimedDelivery> {
    fn from(rows: ClaimedRows) -> Self {
        rows.0.into_iter().map(dispatch::ClaimedDelivery::from).collect()
    }
}

impl From<dispatch::Plan> for Plan {
    fn from(plan: dispatch::Plan) -> Self {
        Plan {
            batches: plan.batches.into_iter().map(Batch::from).collect(),
            refused: plan.refused.into_iter().map(RowUpdate::from).collect(),
        }
    }
}

impl From<dispatch::Batch> for Batch {
    fn from(batch: dispatch::Batch) -> Self {
        Batch {
            endpoint_id: batch.endpoint_id,
            attempts: batch.attempts.into_iter().map(AttemptRef::from).collect(),
            carrier: match batch.carrier {
                dispatch::Carrier::Request(request) => Carrier::Request(request.into()),
                dispatch::Carrier::Steps(number) => Carrier::Steps(number),
            },
            timeout_ms: batch.timeout_ms as f64,
        }
    }
}

impl From<dispatch::AttemptRef> for AttemptRef {
    fn from(attempt: dispatch::AttemptRef) -> Self {
        AttemptRef {
            delivery_id: attempt.delivery_id,
            attempt: attempt.attempt,
            trace_id: attempt.trace_id.to_string(),
            parent: attempt.parent.map(|parent| parent.to_string()),
        }
    }
}

impl TryFrom<AttemptRef> for dispatch::AttemptRef {
    type Error = JsValue;

    fn try_from(attempt: AttemptRef) -> Result<Self, JsValue> {
        let AttemptRef { delivery_id, attempt, trace_id, parent } = attempt;
        let trace_id = TraceId::parse(&trace_id)
            .ok_or_else(|| shape_error("traceId: expected 32 lower-case hex digits, not all zero"))?;
        let parent = parent.as_deref().and_then(TraceParent::parse);
        Ok(dispatch::AttemptRef { delivery_id, attempt, trace_id, parent })
    }
}

impl TryFrom<BatchOutcome> for dispatch::BatchOutcome {
    type Error = JsValue;

    fn try_from(batch: BatchOutcome) -> Result<Self, JsValue> {
        Ok(dispatch::BatchOutcome {
            endpoint_id: batch.endpoint_id,
            attempts: batch
                .attempts
                .into_iter()
                .map(dispatch::AttemptRef::try_from)
                .collect::<Result<_, _>>()?,
            ends: batch.ends.into_iter().map(dispatch::End::try_from).collect::<Result<_, _>>()?,
            duration_ms: batch.duration_ms,
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
