//! HTTP/1.1 for those who move its bytes.

use serde::Serialize;
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;
use webhook_protocol as protocol;

use crate::error::{js_error, shape_error};

/// A receiver's answer.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub struct Answer {
    status: u16,
    /// The `location` header.
    location: Option<String>,
    /// The `retry-after` header.
    retry_after: Option<String>,
    /// The start of the body.
    body: String,
    /// The connection can carry another request.
    reusable: bool,
    /// The status line and the headers, for `headerFields`; null unless it was asked for.
    head: Option<String>,
}

/// Reads an answer from all that has come in since its request was sent; `undefined` asks for more. With `isClosed`
/// there will be no more: then an answer whose headers are complete counts, whatever there is of its body.
/// `mostBodyBytes` of the body are kept.
///
/// @throws {Error} `AnswerError` with a code: `no_answer`, `broken_off`, `not_http`, `head_too_long`,
/// `too_many_headers`. Its message completes a sentence whose subject is the receiver.
#[wasm_bindgen(js_name = readAnswer)]
pub fn read_answer(
    bytes: &[u8],
    #[wasm_bindgen(js_name = isClosed)] is_closed: bool,
    #[wasm_bindgen(js_name = mostBodyBytes)] most_body_bytes: u32,
    #[wasm_bindgen(js_name = withHead)] with_head: bool,
) -> Result<Option<Ts<Answer>>, JsValue> {
    let answer = protocol::read_answer(bytes, is_closed, most_body_bytes as usize)
        .map_err(|error| js_error("AnswerError", error.code(), &error.to_string()))?;
    let Some(answer) = answer else { return Ok(None) };
    let head = with_head.then(|| answer.head_of(bytes));
    let answer = Answer {
        status: answer.status,
        location: answer.location,
        retry_after: answer.retry_after,
        body: answer.body,
        reusable: answer.reusable,
        head,
    };
    answer.into_ts().map(Some).map_err(shape_error)
}

/// Names and values.
#[derive(Serialize, Tsify)]
#[serde(transparent)]
pub struct HeaderFields(Vec<(String, String)>);

/// Takes a request's or an answer's head apart, to show it: its headers in their order.
#[wasm_bindgen(js_name = headerFields)]
pub fn header_fields(head: &str) -> Result<Ts<HeaderFields>, JsValue> {
    let fields = protocol::header_fields(head).map(|(name, value)| (name.to_owned(), value.to_owned()));
    HeaderFields(fields.collect()).into_ts().map_err(shape_error)
}
