//! Settings from environment variables.

use serde::Serialize;
use tsify::{Ts, Tsify};
use wasm_bindgen::{JsCast, prelude::*};

use crate::error::shape_error;

#[wasm_bindgen]
unsafe extern "C" {
    /// Gives an environment variable's value, if it is set.
    #[wasm_bindgen(typescript_type = "(name: string) => string | undefined")]
    pub type VariableLookup;
}

/// How the functions work.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// How often a delivery is tried before it fails for good.
    max_attempts: u32,
    /// How many requests are under way at once.
    concurrency: u32,
    /// How long a receiver may take for its whole answer.
    request_timeout_ms: f64,
    /// How long a claimed delivery belongs to the dispatcher that claimed it.
    lease_ms: f64,
    /// How long one call goes on claiming.
    time_budget_ms: f64,
    /// How old an expiry may be to be closed still.
    close_lookback_ms: f64,
    /// A line for each variable that is wrong and whose default is used instead.
    errors: Vec<String>,
}

/// Reads the settings; variables that are wrong are named in `errors`.
#[wasm_bindgen(js_name = readSettings)]
pub fn read_settings(variable: VariableLookup) -> Result<Ts<Settings>, JsValue> {
    let variable: js_sys::Function = JsValue::from(variable).unchecked_into();
    let (settings, errors) = webhook_dispatch::Settings::read(|name| {
        variable.call1(&JsValue::UNDEFINED, &name.into()).ok()?.as_string()
    });
    let settings = Settings {
        max_attempts: settings.max_attempts,
        concurrency: settings.concurrency,
        request_timeout_ms: settings.request_timeout_ms as f64,
        lease_ms: settings.lease_ms as f64,
        time_budget_ms: settings.time_budget_ms as f64,
        close_lookback_ms: settings.close_lookback_ms as f64,
        errors: errors.iter().map(ToString::to_string).collect(),
    };
    settings.into_ts().map_err(shape_error)
}
