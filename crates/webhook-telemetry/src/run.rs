//! What a run did, as spans.
//!
//! A run is a request to a function; its spans are a trace of their own, or go on with the caller's. A delivery's attempts
//! belong to the event's trace: the receiver is told the attempt's span in `traceparent`. A link leads from there to the
//! run.
//!
//! Source of the names: OpenTelemetry semantic conventions, "HTTP", "Messaging", "FaaS" and "Database client calls".

use std::rc::Rc;

use webhook_dispatch::{AttemptRef, BatchOutcome, SmallMap};
use webhook_payload::{Sampler, SpanId, TraceId, TraceParent};
use webhook_protocol::{HttpUrlParser, Target};

use crate::{
    Kind, Link, Parent, Span,
    outcome::{ended, fault},
    target::Destination,
};

/// The spans of one run.
#[derive(Clone, Debug)]
pub struct Run<U> {
    sampler: Sampler,
    http_urls: U,
    request: Request,
    /// The span of the run itself.
    root: TraceParent,
    /// Spans that have an id, from 0, which is the run's.
    made: u32,
    /// Deliveries that were claimed and have not been sent yet.
    claimed: SmallMap<String, (String, Option<Rc<Destination>>)>,
    /// Where the endpoints are, by id, and the URL that says so.
    endpoints: SmallMap<String, (String, Option<Rc<Destination>>)>,
    spans: Vec<Span>,
    dropped: u32,
}

/// A request to a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// A UUID: makes a trace, and spans.
    pub id: String,
    /// The header `traceparent`, as it came.
    pub traceparent: Option<String>,
    /// The function's name.
    pub function: String,
    /// `POST`, say.
    pub method: String,
    /// `https`, say.
    pub scheme: String,
    /// The URL's path.
    pub path: String,
    /// When it came, in microseconds since 1970.
    pub start_us: u64,
}

/// From when to when, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The beginning.
    pub start_us: u64,
    /// The end.
    pub end_us: u64,
}

/// A claimed row, as far as spans tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The delivery.
    pub id: String,
    /// What happened.
    pub event_type: String,
    /// Whom it is for.
    pub endpoint_id: String,
    /// Where that is.
    pub url: Option<String>,
}

/// So many spans are kept until they are taken; more are counted only.
pub const MOST_SPANS: usize = 5_000;

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

const TABLE: &str = "webhook_deliveries";

impl<U: HttpUrlParser> Run<U> {
    /// Begins with a request. It goes on with the caller's trace where it names a valid one.
    pub fn begin(request: Request, sampler: Sampler, http_urls: U) -> Run<U> {
        let parent = request.traceparent.as_deref().and_then(TraceParent::parse);
        let trace_id = parent.map_or_else(|| TraceId::derive(&request.id), |parent| parent.trace_id);
        let root = TraceParent {
            trace_id,
            span_id: SpanId::derive(&request.id, 0),
            is_sampled: sampler.is_sampled(trace_id, parent.as_ref()),
        };
        Run {
            sampler,
            http_urls,
            request,
            root,
            made: 0,
            claimed: SmallMap::default(),
            endpoints: SmallMap::default(),
            spans: Vec::new(),
            dropped: 0,
        }
    }

    /// The run's own span, for what it causes.
    pub fn traceparent(&self) -> TraceParent {
        self.root
    }

    /// Rows were claimed, or made as such where `are_new`.
    pub fn claimed(&mut self, rows: Vec<Claimed>, are_new: bool, during: Period) {
        let (summary, operation) = if are_new { ("insert", "INSERT") } else { ("claim", "UPDATE") };
        let mut span = self.statement(summary, operation, during);
        span.attributes.push(("db.response.returned_rows", count(rows.len()).into()));
        self.push(span);
        for row in rows {
            let destination = self.destination(row.endpoint_id, row.url.unwrap_or_default());
            self.claimed.insert(row.id, (row.event_type, destination));
        }
    }

    /// A claim became this many batches, and these deliveries are not sent.
    pub fn planned(&mut self, batches: u32, refused: &[String], during: Period) {
        let mut span = self.span("plan", Kind::Internal, during);
        span.attributes = vec![
            ("webhook.plan.batches", batches.into()),
            ("webhook.plan.refused", count(refused.len()).into()),
        ];
        self.push(span);
        for id in refused {
            self.claimed.remove(id);
        }
    }

    /// A batch was sent.
    pub fn sent(&mut self, batch: &BatchOutcome, during: Period) {
        let ends = || batch.ends.iter().chain(batch.ends.last().into_iter().cycle());
        let mut links = Vec::new();
        let mut destination = None;
        for (attempt, end) in batch.attempts.iter().zip(ends()) {
            let known = self.claimed.remove(&attempt.delivery_id);
            let (event_type, to) = known.unwrap_or_default();
            let mut span = self.attempt(attempt, &batch.endpoint_id, to.as_deref(), during);
            if !event_type.is_empty() {
                span.attributes.push(("webhook.event.type", event_type.into()));
            }
            ended(&mut span, &end.outcome);
            links.push(Link { trace_id: span.trace_id, span_id: span.span_id });
            destination = to;
            if self.is_sampled(attempt) {
                self.push_any(span);
            }
        }
        if batch.attempts.len() > 1 {
            let failed = batch.attempts.iter().zip(ends()).filter(|(_, end)| fault(&end.outcome).is_some());
            self.batch(batch, failed.count(), destination.as_deref(), links, during);
        }
    }

    /// What became of this many attempts was written.
    pub fn recorded(&mut self, updates: u32, during: Period) {
        let mut span = self.statement("record", "UPDATE", during);
        // Of one it is no batch.
        if updates > 1 {
            span.attributes.push(("db.operation.batch.size", updates.into()));
        }
        self.push(span);
    }

    /// A statement failed: `claim`, `insert` or `record`. `error` is its SQLSTATE or whatever names the error.
    pub fn failed(&mut self, statement: &str, error: &str, during: Period) {
        let operation = if statement == "insert" { "INSERT" } else { "UPDATE" };
        let mut span = self.statement(statement, operation, during);
        let is_state =
            error.len() == 5 && error.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        if is_state {
            span.attributes.push(("db.response.status_code", error.into()));
        }
        span.attributes.push(("error.type", error.into()));
        span.error = Some(format!("the database: {error}"));
        self.push(span);
    }

    /// The function answered. Of a caller that it does not know nothing is kept, nor of calls whose key it did not look at:
    /// whoever has no key is not to fill somebody's collector.
    pub fn end(&mut self, status: u16, end_us: u64) {
        if matches!(status, 401 | 405) || self.request.method == "OPTIONS" {
            self.spans.clear();
            return;
        }
        let Request { function, method, scheme, path, start_us, .. } = self.request.clone();
        let route = format!("/functions/v1/{function}");
        let method = METHODS.into_iter().find(|known| *known == method);
        let mut span = self.span("", Kind::Server, Period { start_us, end_us });
        let remote = self.request.traceparent.as_deref().and_then(TraceParent::parse);
        span.span_id = self.root.span_id;
        span.parent = remote.map(|parent| Parent { span_id: parent.span_id, is_remote: true });
        span.name = format!("{} {route}", method.unwrap_or("HTTP"));
        span.attributes = vec![
            ("http.request.method", method.unwrap_or("_OTHER").into()),
            ("http.route", route.into()),
            ("url.path", path.into()),
            ("url.scheme", scheme.into()),
            ("http.response.status_code", u32::from(status).into()),
            ("faas.trigger", "http".into()),
        ];
        // What a caller does wrong is no fault of ours.
        if status >= 500 {
            span.attributes.push(("error.type", status.to_string().into()));
            span.error = Some(format!("HTTP {status}"));
        }
        self.push(span);
    }

    /// How many spans wait to be taken.
    pub fn waiting(&self) -> usize {
        self.spans.len()
    }

    /// How many there was no room for, or no time.
    pub fn dropped(&self) -> u32 {
        self.dropped
    }

    /// The oldest spans, at most so many. They are not kept.
    pub fn take(&mut self, most: usize) -> Vec<Span> {
        self.spans.drain(..most.min(self.spans.len())).collect()
    }

    fn destination(&mut self, endpoint_id: String, url: String) -> Option<Rc<Destination>> {
        if let Some((_, known)) = self.endpoints.get(&endpoint_id).filter(|(known, _)| *known == url) {
            return known.clone();
        }
        let target = Target::parse(&url, &self.http_urls).ok();
        let destination = target.map(|target| Rc::new(Destination::of(&target)));
        self.endpoints.insert(endpoint_id, (url, destination.clone()));
        destination
    }

    /// A child of the run's span.
    fn span(&mut self, name: &str, kind: Kind, during: Period) -> Span {
        self.made += 1;
        Span {
            trace_id: self.root.trace_id,
            span_id: SpanId::derive(&self.request.id, self.made),
            parent: Some(Parent { span_id: self.root.span_id, is_remote: false }),
            name: name.to_owned(),
            kind,
            start_us: during.start_us,
            end_us: during.end_us.max(during.start_us),
            attributes: Vec::new(),
            links: Vec::new(),
            error: None,
        }
    }

    fn statement(&mut self, summary: &str, operation: &str, during: Period) -> Span {
        let summary = format!("{summary} {TABLE}");
        let mut span = self.span(&summary, Kind::Client, during);
        span.attributes = vec![
            ("db.system.name", "postgresql".into()),
            ("db.operation.name", operation.into()),
            ("db.collection.name", TABLE.into()),
            ("db.query.summary", summary.into()),
        ];
        span
    }

    /// The span that a receiver is told.
    fn attempt(
        &self,
        attempt: &AttemptRef,
        endpoint_id: &str,
        to: Option<&Destination>,
        during: Period,
    ) -> Span {
        let is_own = attempt.trace_id == self.root.trace_id;
        let own = is_own.then_some(Parent { span_id: self.root.span_id, is_remote: false });
        let parent = attempt.parent.map(|parent| Parent { span_id: parent.span_id, is_remote: true }).or(own);
        let run = Link { trace_id: self.root.trace_id, span_id: self.root.span_id };
        let mut attributes = to.map_or(Vec::new(), |to| to.attributes.clone());
        attributes.extend([
            ("webhook.delivery.id", attempt.delivery_id.as_str().into()),
            ("webhook.endpoint.id", endpoint_id.into()),
            ("webhook.attempt", attempt.attempt.into()),
        ]);
        if attempt.attempt > 1 && to.is_some_and(|to| to.kind == Kind::Client) {
            attributes.push(("http.request.resend_count", (attempt.attempt - 1).into()));
        }
        Span {
            trace_id: attempt.trace_id,
            span_id: SpanId::derive(&attempt.delivery_id, attempt.attempt),
            parent,
            name: to.map_or("send", |to| &to.name).to_owned(),
            kind: to.map_or(Kind::Client, |to| to.kind),
            start_us: during.start_us,
            end_us: during.end_us.max(during.start_us),
            attributes,
            links: if is_own { Vec::new() } else { vec![run] },
            error: None,
        }
    }

    /// The request that carried several: in the run's trace, with a link to each of them.
    fn batch(
        &mut self,
        batch: &BatchOutcome,
        failed: usize,
        to: Option<&Destination>,
        links: Vec<Link>,
        during: Period,
    ) {
        let mut span = self.span(to.map_or("send", |to| &to.name), Kind::Client, during);
        span.attributes = to.map_or(Vec::new(), |to| to.attributes.clone());
        span.attributes.push(("webhook.endpoint.id", batch.endpoint_id.as_str().into()));
        span.attributes.push(("messaging.batch.message_count", count(links.len()).into()));
        if failed > 0 {
            span.attributes.push(("error.type", "failed_messages".into()));
            span.error = Some(format!("{failed} of {} failed", links.len()));
        }
        span.links = links;
        self.push(span);
    }

    /// As the dispatcher tells the receiver.
    fn is_sampled(&self, attempt: &AttemptRef) -> bool {
        if attempt.trace_id == self.root.trace_id && attempt.parent.is_none() {
            return self.root.is_sampled;
        }
        self.sampler.is_sampled(attempt.trace_id, attempt.parent.as_ref())
    }

    /// Keeps a span of the run's own trace.
    fn push(&mut self, span: Span) {
        if self.root.is_sampled {
            self.push_any(span);
        }
    }

    fn push_any(&mut self, span: Span) {
        if self.spans.len() < MOST_SPANS {
            self.spans.push(span);
        } else {
            self.dropped += 1;
        }
    }
}

fn count(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
