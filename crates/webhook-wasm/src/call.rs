//! What a caller asks the dispatcher for.

use serde::Serialize;
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;
use webhook_dispatch as dispatch;

use crate::error::{js_error, shape_error};

/// Failed deliveries to put back. They must meet all that is set.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub struct Replay {
    /// Null for any.
    ids: Option<Vec<String>>,
    endpoint_id: Option<String>,
    event_type: Option<String>,
    /// Made at this time or later; ISO 8601.
    from: Option<String>,
    /// Made before this time; ISO 8601.
    to: Option<String>,
    /// How many at most, the oldest first.
    limit: u32,
    /// Count only.
    dry_run: bool,
}

/// What a caller asks the dispatcher for.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub struct Call {
    /// What to put back first.
    replay: Option<Replay>,
    /// Answer at once, and look for due deliveries for so long.
    linger_ms: Option<f64>,
}

/// Reads the body of a call to the dispatcher.
///
/// @throws {Error} `CallError` with a code: `invalid_body`, `invalid_replay`, `unknown_field`, `invalid_field`, `unbounded_replay`,
/// `invalid_linger`.
#[wasm_bindgen(js_name = readCall)]
pub fn read_call(body: &str) -> Result<Ts<Call>, JsValue> {
    let call = dispatch::Call::parse(body)
        .map_err(|error| js_error("CallError", error.code(), &error.to_string()))?;
    let call = Call {
        replay: call.replay.map(Replay::from),
        linger_ms: call.linger_ms.map(|linger_ms| linger_ms as f64),
    };
    call.into_ts().map_err(shape_error)
}

impl From<dispatch::Replay> for Replay {
    fn from(replay: dispatch::Replay) -> Self {
        Replay {
            ids: replay.ids,
            endpoint_id: replay.endpoint_id,
            event_type: replay.event_type,
            from: replay.from,
            to: replay.to,
            limit: replay.limit,
            dry_run: replay.dry_run,
        }
    }
}
