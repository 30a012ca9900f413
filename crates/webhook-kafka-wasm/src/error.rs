//! Rust's errors as JavaScript's.

use js_sys::Reflect;
use wasm_bindgen::JsValue;

/// An `Error` with a `name` for its kind and a stable `code` to branch on.
pub(crate) fn js_error(name: &str, code: &str, message: &str) -> JsValue {
    let error = js_sys::Error::new(message);
    error.set_name(name);
    // Setting a property of an object that was made just now does not fail.
    let _ = Reflect::set(&error, &"code".into(), &code.into());
    error.into()
}

/// A whole number from JavaScript: a time in milliseconds or a count.
pub(crate) fn whole(value: f64, name: &str) -> Result<u64, JsValue> {
    // Up to 2^53 every whole number is exact.
    if value >= 0.0 && value.fract() == 0.0 && value <= 9_007_199_254_740_992.0 {
        Ok(value as u64)
    } else {
        Err(shape_error(format_args!("{name}: expected a whole number from 0")))
    }
}

/// For values that do not have the shape that the generated types ask for.
pub(crate) fn shape_error(error: impl std::fmt::Display) -> JsValue {
    js_error("ShapeError", "shape", &error.to_string())
}
