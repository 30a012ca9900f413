//! Traces of runs.

use serde::{Deserialize, Serialize};
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;
use webhook_telemetry as telemetry;

use crate::{
    dispatcher::BatchOutcome,
    error::shape_error,
    settings::{VariableLookup, look_up},
    target::RuntimeUrlParser,
};

/// Where spans go.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct SpanExport {
    /// Where to post them. May hold a token.
    url: String,
    /// With these headers beside the content's type. Secret.
    headers: Vec<(String, String)>,
    /// How long that may take.
    timeout_ms: u32,
}

/// How traces are exported, and what is wrong with the variables that say so.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub struct TraceSettings {
    /// Null where nothing is exported.
    export: Option<SpanExport>,
    /// A line for each variable that is wrong and whose default is used instead.
    errors: Vec<String>,
}

/// Reads OpenTelemetry's variables.
#[wasm_bindgen(js_name = readTraceSettings)]
pub fn read_trace_settings(variable: VariableLookup) -> Result<Ts<TraceSettings>, JsValue> {
    let (exporting, errors) = telemetry::Exporting::read(&look_up(variable), &RuntimeUrlParser, "");
    let export = exporting.map(|exporting| SpanExport {
        url: exporting.url.expose().to_owned(),
        headers: exporting
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.expose().to_owned()))
            .collect(),
        timeout_ms: exporting.timeout_ms,
    });
    let errors = errors.iter().map(ToString::to_string).collect();
    TraceSettings { export, errors }.into_ts().map_err(shape_error)
}

/// How many spans a collector says that it has not taken, in the body of its answer with status 200.
#[wasm_bindgen(js_name = rejectedSpans)]
pub fn rejected_spans(answer: &str) -> f64 {
    telemetry::rejected(answer) as f64
}

/// A request to a function.
#[derive(Deserialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct TracedRequest {
    /// A UUID: makes a trace, and spans.
    id: String,
    /// The header, as it came.
    #[tsify(type = "string | null")]
    traceparent: Option<String>,
    /// The function's name.
    function: String,
    method: String,
    /// As in its URL, without a colon.
    scheme: String,
    /// The URL's path.
    path: String,
    /// When it came.
    start_ms: f64,
}

/// A claimed row, as far as spans tell of it.
#[derive(Deserialize, Tsify)]
pub struct TracedRow {
    id: String,
    event_type: String,
    endpoint_id: String,
    #[tsify(type = "string | null")]
    url: Option<String>,
}

/// Claimed rows.
#[derive(Deserialize, Tsify)]
#[serde(transparent)]
pub struct TracedRows(Vec<TracedRow>);

/// The spans of one run. All times are in milliseconds since 1970, with a fraction.
#[wasm_bindgen]
pub struct RunTrace {
    run: telemetry::Run<RuntimeUrlParser>,
    resource: Vec<(String, String)>,
}

#[wasm_bindgen]
impl RunTrace {
    /// Begins with a request, as the variables have it.
    #[wasm_bindgen(constructor)]
    pub fn new(request: Ts<TracedRequest>, variable: VariableLookup) -> Result<RunTrace, JsValue> {
        let request = request.to_rust().map_err(shape_error)?;
        let read = telemetry::Exporting::read(&look_up(variable), &RuntimeUrlParser, &request.function);
        let (sampler, resource) =
            read.0.map(|exporting| (exporting.sampler, exporting.resource)).unwrap_or_default();
        let request = telemetry::Request {
            id: request.id,
            traceparent: request.traceparent,
            function: request.function,
            method: request.method,
            scheme: request.scheme,
            path: request.path,
            start_us: micros(request.start_ms),
        };
        Ok(RunTrace { run: telemetry::Run::begin(request, sampler, RuntimeUrlParser), resource })
    }

    /// The run's own span, as a header.
    pub fn traceparent(&self) -> String {
        self.run.traceparent().to_string()
    }

    /// Rows were claimed, or made as such where `areNew`.
    pub fn claimed(
        &mut self,
        rows: Ts<TracedRows>,
        #[wasm_bindgen(js_name = areNew)] are_new: bool,
        #[wasm_bindgen(js_name = startMs)] start_ms: f64,
        #[wasm_bindgen(js_name = endMs)] end_ms: f64,
    ) -> Result<(), JsValue> {
        let rows = rows.to_rust().map_err(shape_error)?.0.into_iter().map(|row| telemetry::Claimed {
            id: row.id,
            event_type: row.event_type,
            endpoint_id: row.endpoint_id,
            url: row.url,
        });
        self.run.claimed(rows.collect(), are_new, period(start_ms, end_ms));
        Ok(())
    }

    /// A claim became this many batches, and the deliveries with these ids are not sent.
    pub fn planned(
        &mut self,
        batches: u32,
        refused: Vec<String>,
        #[wasm_bindgen(js_name = startMs)] start_ms: f64,
        #[wasm_bindgen(js_name = endMs)] end_ms: f64,
    ) {
        self.run.planned(batches, &refused, period(start_ms, end_ms));
    }

    /// A batch was sent.
    pub fn sent(
        &mut self,
        batch: Ts<BatchOutcome>,
        #[wasm_bindgen(js_name = startMs)] start_ms: f64,
        #[wasm_bindgen(js_name = endMs)] end_ms: f64,
    ) -> Result<(), JsValue> {
        let batch = batch.to_rust().map_err(shape_error)?.try_into()?;
        self.run.sent(&batch, period(start_ms, end_ms));
        Ok(())
    }

    /// What became of this many attempts was written.
    pub fn recorded(
        &mut self,
        updates: u32,
        #[wasm_bindgen(js_name = startMs)] start_ms: f64,
        #[wasm_bindgen(js_name = endMs)] end_ms: f64,
    ) {
        self.run.recorded(updates, period(start_ms, end_ms));
    }

    /// A statement failed: `claim`, `insert` or `record`. `error` is its SQLSTATE or whatever names the error.
    pub fn failed(
        &mut self,
        statement: &str,
        error: &str,
        #[wasm_bindgen(js_name = startMs)] start_ms: f64,
        #[wasm_bindgen(js_name = endMs)] end_ms: f64,
    ) {
        self.run.failed(statement, error, period(start_ms, end_ms));
    }

    /// The function answered with this status.
    pub fn end(&mut self, status: u16, #[wasm_bindgen(js_name = endMs)] end_ms: f64) {
        self.run.end(status, micros(end_ms));
    }

    /// How many spans wait to be taken.
    #[wasm_bindgen(getter)]
    pub fn waiting(&self) -> u32 {
        u32::try_from(self.run.waiting()).unwrap_or(u32::MAX)
    }

    /// How many there was no room for.
    #[wasm_bindgen(getter)]
    pub fn dropped(&self) -> u32 {
        self.run.dropped()
    }

    /// The body of a request that exports the oldest spans, at most so many. They are not kept.
    pub fn take(&mut self, most: u32) -> String {
        telemetry::traces(&self.resource, &self.run.take(most as usize))
    }
}

fn period(start_ms: f64, end_ms: f64) -> telemetry::Period {
    telemetry::Period { start_us: micros(start_ms), end_us: micros(end_ms) }
}

/// A cast of a number of JavaScript's ends at the bounds.
fn micros(ms: f64) -> u64 {
    (ms * 1_000.0).round() as u64
}
