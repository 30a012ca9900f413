//! The way of a delivery between the database and the wire: [`Dispatcher::plan`] turns claimed rows into requests,
//! [`Dispatcher::settle`] turns outcomes into rows, [`judge_health`] turns counts into a report.

mod health;
mod plan;
mod rows;
mod settings;
mod settle;

pub use health::{BreakerReport, FailingEndpoint, HealthFacts, HealthReport, Reason, Window, judge_health};
pub use plan::{AttemptRef, Batch, BatchOutcome, Dispatcher, Plan, Refusal};
pub use rows::{ClaimedDelivery, Disposition, Endpoint, RowUpdate};
pub use settings::{SettingError, Settings};

/// How we name ourselves to receivers.
pub const USER_AGENT: &str = concat!("supabase-webhooks/", env!("CARGO_PKG_VERSION"));
