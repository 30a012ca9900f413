//! The way of a delivery between the database and the wire: [`Dispatcher::claim_order`] says what to claim,
//! [`Dispatcher::plan`] turns claimed rows into requests, [`Dispatcher::settle`] turns outcomes into rows,
//! [`judge_health`] turns counts into a report.

mod carry;
mod endpoints;
mod health;
mod options;
mod plan;
mod replay;
mod rows;
mod settings;
mod settle;
mod small_map;
mod variables;

pub use carry::{Given, Step, Task};
pub use endpoints::{Allowance, ClaimOrder, EndpointFacts, RateWindow};
pub use health::{
    BreakerReport, FailingEndpoint, HealthFacts, HealthReport, OpenBreaker, Reason, Window, judge_health,
};
pub use plan::{
    AttemptRef, Batch, BatchOutcome, Carrier, Dispatcher, End, Plan, Refusal, SEEN_THROUGH, saw_through,
};
pub use replay::{Replay, ReplayError};
pub use rows::{ClaimedDelivery, Disposition, Endpoint, RowUpdate};
pub use settings::{SettingError, Settings};
pub use settle::{GONE_REASON, Settled};

/// How we name ourselves to receivers.
pub const USER_AGENT: &str = concat!("supabase-webhooks/", env!("CARGO_PKG_VERSION"));
