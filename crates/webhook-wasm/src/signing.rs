//! Signatures and keys.

use serde::Serialize;
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;
use webhook_signing::{Received, Secrets};

use crate::error::{js_error, shape_error};

/// What may be shown of a secret.
#[derive(Serialize, Tsify)]
pub struct Fingerprint {
    /// `sha256:` and the first 8 hex digits of SHA-256 over the key's bytes.
    fingerprint: String,
    #[tsify(type = "\"whsec\" | \"plain\"")]
    kind: &'static str,
}

/// What may be shown of an endpoint's secrets.
#[derive(Serialize, Tsify)]
#[serde(transparent)]
pub struct Fingerprints(Vec<Fingerprint>);

/// `X-Webhook-Signature` of a body: `sha256=` and hex. `undefined` for an empty secret.
#[wasm_bindgen(js_name = bodySignature)]
pub fn body_signature(#[wasm_bindgen(js_name = secretKey)] secret_key: &str, body: &[u8]) -> Option<String> {
    Secrets::parse(secret_key).map(|secrets| webhook_signing::body_signature(&secrets, body))
}

/// `webhook-signature` of a request: `v1,` and base64, one for each secret. `undefined` for an empty secret.
#[wasm_bindgen(js_name = standardSignature)]
pub fn standard_signature(
    #[wasm_bindgen(js_name = secretKey)] secret_key: &str,
    id: &str,
    #[wasm_bindgen(js_name = timestampS)] timestamp_s: f64,
    body: &[u8],
) -> Option<String> {
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
    #[wasm_bindgen(js_name = secretKey)] secret_key: &str,
    id: &str,
    timestamp: &str,
    signature: &str,
    body: &[u8],
    #[wasm_bindgen(js_name = nowS)] now_s: f64,
    #[wasm_bindgen(js_name = toleranceS)] tolerance_s: Option<u32>,
) -> Result<(), JsValue> {
    let secrets = Secrets::parse(secret_key)
        .ok_or_else(|| js_error("VerifyError", "missing_secret", "secret: expected one, got nothing"))?;
    let tolerance_s = tolerance_s.map_or(webhook_signing::DEFAULT_TOLERANCE_S, u64::from);
    let received = Received { id, timestamp, signature, body };
    webhook_signing::verify(&secrets, &received, now_s as i64, tolerance_s)
        .map_err(|error| js_error("VerifyError", error.code(), &error.to_string()))
}

/// Whether what a caller presents is one of the accepted keys, compared in constant time.
#[wasm_bindgen(js_name = keyMatches)]
pub fn key_matches(presented: &str, accepted: Vec<String>) -> bool {
    webhook_signing::key_matches(presented, accepted.iter().map(String::as_str))
}

/// A fingerprint of each of an endpoint's secrets, in the order of their signatures; none of an empty `secretKey`.
#[wasm_bindgen(js_name = secretFingerprints)]
pub fn secret_fingerprints(
    #[wasm_bindgen(js_name = secretKey)] secret_key: &str,
) -> Result<Ts<Fingerprints>, JsValue> {
    let secrets = Secrets::parse(secret_key);
    let all = secrets.iter().flat_map(webhook_signing::fingerprints);
    let shown = |one: webhook_signing::Fingerprint| Fingerprint {
        fingerprint: one.fingerprint,
        kind: one.kind.as_str(),
    };
    Fingerprints(all.map(shown).collect()).into_ts().map_err(shape_error)
}
