//! What a caller wants to have sent again.

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

/// Reads the body of a call to the dispatcher: the replay that it asks for, if it does.
///
/// @throws {Error} `ReplayError` with a code: `invalid_body`, `invalid_replay`, `unknown_field`, `invalid_field`, `unbounded_replay`.
#[wasm_bindgen(js_name = readReplay)]
pub fn read_replay(body: &str) -> Result<Option<Ts<Replay>>, JsValue> {
    let replay = dispatch::Replay::parse(body)
        .map_err(|error| js_error("ReplayError", error.code(), &error.to_string()))?;
    replay.map(|replay| Replay::from(replay).into_ts().map_err(shape_error)).transpose()
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
