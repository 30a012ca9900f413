//! Target URLs, read with the runtime's own parser.

use wasm_bindgen::prelude::*;
use webhook_protocol::{HttpUrl, HttpUrlParser, Protocol, Target, TargetError};

use crate::error::js_error;

/// The runtime's `URL`.
#[derive(Clone, Copy)]
pub(crate) struct RuntimeUrlParser;

impl HttpUrlParser for RuntimeUrlParser {
    fn parse(&self, text: &str) -> Option<HttpUrl> {
        HttpUrl::from_href(web_sys::Url::new(text).ok()?.href())
    }
}

/// The protocol of a target URL, by its scheme alone: `http`, `sqs`, `pubsub`, `kafka`, `lambda` or
/// `mail`.
///
/// @throws {Error} `TargetError` with a code: `empty`, `missing_scheme`, `unsupported_scheme`.
#[wasm_bindgen(js_name = protocolFromUrl)]
pub fn protocol_from_url(url: &str) -> Result<String, JsValue> {
    Protocol::from_url(url).map(|protocol| protocol.as_str().to_owned()).map_err(|error| target_error(&error))
}

/// Checks a whole target URL and returns its protocol.
///
/// @throws {Error} `TargetError` with a code: those of `protocolFromUrl`, and `invalid_http_url`, `credentials`,
/// `missing`, `invalid`, `unknown_option`, `repeated_option`, `fragment`.
#[wasm_bindgen(js_name = checkTargetUrl)]
pub fn check_target_url(url: &str) -> Result<String, JsValue> {
    Target::parse(url, &RuntimeUrlParser)
        .map(|target| target.protocol().as_str().to_owned())
        .map_err(|error| target_error(&error))
}

fn target_error(error: &TargetError) -> JsValue {
    js_error("TargetError", error.code(), &error.to_string())
}
