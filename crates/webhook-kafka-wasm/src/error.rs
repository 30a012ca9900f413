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

/// For values that do not have the shape that the generated types ask for.
pub(crate) fn shape_error(error: impl std::fmt::Display) -> JsValue {
    js_error("ShapeError", "shape", &error.to_string())
}
