//! The way of a delivery between the database and the wire: [`Dispatcher::claim_order`] says what to claim,
//! [`Dispatcher::plan`] turns claimed rows into requests, [`Dispatcher::settle`] turns outcomes into rows,
//! [`judge_health`] turns counts into a report, [`metrics`] that into Prometheus' text, [`alerts_due`] into alerts.

mod alerts;
mod call;
mod carry;
mod endpoint_health;
mod endpoints;
mod health;
mod health_format;
mod journal;
mod lane;
mod log_budget;
mod options;
mod plan;
mod prometheus;
mod replay;
mod rows;
mod settings;
mod settle;
mod small_map;
#[cfg(any(test, feature = "variable-table"))]
pub mod variable_table;
mod variables;
mod wire;

pub use alerts::{ALERT_EVENT, Alert, AlertState, Cause, NamedEndpoint, OpenAlert, Scope, alerts_due};
pub use call::{Call, CallError};
pub use carry::{Given, Step, Task};
pub use endpoint_health::{
    EndpointBreaker, EndpointBreakerState, EndpointFigures, EndpointHealth, FIGURES_WINDOW_S, Latency,
    protocol_name,
};
pub use endpoints::{Allowance, ClaimOrder, EndpointFacts, RateWindow};
pub use health::{
    AlertPolicy, BreakerReport, FailingEndpoint, HealthFacts, HealthPolicy, HealthReport, OpenBreaker,
    Reason, Window, judge_health,
};
pub use health_format::{HealthFormat, HealthFormatError};
pub use journal::{FailedAttempt, Served};
pub use lane::{Begun, BegunCarrier, GivenBack, MOST_WAIT_MS, Peer, Progress};
pub use log_budget::{LogBudget, Weight};
pub use plan::{
    AttemptRef, Batch, BatchOutcome, Carrier, Dispatcher, End, Plan, Refusal, SEEN_THROUGH, saw_through,
};
pub use prometheus::{METRICS_TYPE, metrics};
pub use replay::{Replay, ReplayError};
pub use rows::{ClaimedDelivery, Disposition, Endpoint, RowUpdate};
pub use settings::{SettingError, Settings};
pub use settle::{GONE_REASON, Settled};
pub use small_map::SmallMap;
pub use variables::Reader;
pub use wire::{Protocols, Transport, WirePolicy};

/// Which version this is.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How we name ourselves to receivers.
pub const USER_AGENT: &str = concat!("supabase-webhooks/", env!("CARGO_PKG_VERSION"));
