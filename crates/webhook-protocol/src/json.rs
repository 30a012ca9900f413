//! JSON without derived code: each structure that serde reads or writes costs kilobytes of WASM.

use serde_json::Value;

/// Reads a text; null stands for what is no JSON.
pub(crate) fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// A text as JSON writes it.
pub(crate) fn json(text: &str) -> String {
    // Text always has a JSON form.
    serde_json::to_string(text).unwrap_or_default()
}

/// A member that must be a text.
pub(crate) fn text(object: &Value, name: &str) -> Option<String> {
    object.get(name)?.as_str().map(str::to_owned)
}

/// A member that may be missing or null; the outer `None` is for what is no text.
pub(crate) fn optional_text(object: &Value, name: &str) -> Option<Option<String>> {
    match object.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(value) => value.as_str().map(|text| Some(text.to_owned())),
    }
}
