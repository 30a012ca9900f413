//! What a run did, as spans: [`Run`] makes them of what it is told, [`traces`] writes them as OTLP has it, and
//! [`Exporting`] says whether and where they go.
//!
//! No event, no body, no value of a URL's query and no receiver's text ever gets into a span.

mod otlp;
mod outcome;
mod run;
mod settings;
mod target;

pub use otlp::{Kind, Link, Parent, Span, Value, rejected, traces};
pub use run::{Claimed, MOST_SPANS, Period, Request, Run};
pub use settings::Exporting;
