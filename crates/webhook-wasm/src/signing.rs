//! Signatures and keys.

use wasm_bindgen::prelude::*;
use webhook_signing::{Received, Secrets, VerifyError};

use crate::error::js_error;

/// `X-Webhook-Signature` of a body: `sha256=` and hex. `undefined` for an empty secret.
#[wasm_bindgen(js_name = bodySignature)]
pub fn body_signature(secret_key: &str, body: &[u8]) -> Option<String> {
    Secrets::parse(secret_key).map(|secrets| webhook_signing::body_signature(&secrets, body))
}

/// `webhook-signature` of a request: `v1,` and base64, one for each secret. `undefined` for an empty secret.
#[wasm_bindgen(js_name = standardSignature)]
pub fn standard_signature(secret_key: &str, id: &str, timestamp_s: f64, body: &[u8]) -> Option<String> {
    Secrets::parse(secret_key)
        .map(|secrets| webhook_signing::standard_signature(&secrets, id, timestamp_s as i64, body))
}

/// Verifies a Standard Webhooks request by any of the endpoint's secrets; `nowS` and `toleranceS` in seconds, the
/// tolerance being 300 where none is given.
///
/// @throws {Error} `VerifyError` with a code: `missing_secret`, `missing_id`, `invalid_timestamp`, `too_old`,
/// `too_new`, `no_match`.
#[wasm_bindgen(js_name = verifySignature)]
pub fn verify_signature(
    secret_key: &str,
    id: &str,
    timestamp: &str,
    signature: &str,
    body: &[u8],
    now_s: f64,
    tolerance_s: Option<u32>,
) -> Result<(), JsValue> {
    let secrets = Secrets::parse(secret_key)
        .ok_or_else(|| js_error("VerifyError", "missing_secret", "secret: expected one, got nothing"))?;
    let tolerance_s = tolerance_s.map_or(webhook_signing::DEFAULT_TOLERANCE_S, u64::from);
    let received = Received { id, timestamp, signature, body };
    webhook_signing::verify(&secrets, &received, now_s as i64, tolerance_s).map_err(|error| {
        let code = match error {
            VerifyError::MissingId => "missing_id",
            VerifyError::InvalidTimestamp { .. } => "invalid_timestamp",
            VerifyError::TooOld { .. } => "too_old",
            VerifyError::TooNew { .. } => "too_new",
            VerifyError::NoMatch { .. } => "no_match",
            _ => "verify",
        };
        js_error("VerifyError", code, &error.to_string())
    })
}

/// Whether what a caller presents is one of the accepted keys, compared in constant time.
#[wasm_bindgen(js_name = keyMatches)]
pub fn key_matches(presented: &str, accepted: Vec<String>) -> bool {
    webhook_signing::matches_any(presented, accepted.iter().map(String::as_str))
}
