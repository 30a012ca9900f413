//! Reading values from JavaScript without serde: its deserializer brings the printing of floating point numbers and of
//! escaped text for messages, 34 KB of a module that may have 160.

use js_sys::{Array, Reflect};
use wasm_bindgen::JsValue;

use crate::error::shape_error;

/// A value, and where it stands: `config.brokers[0].port`.
pub(crate) struct Value {
    value: JsValue,
    path: String,
}

impl Value {
    pub(crate) fn new(value: JsValue, name: &str) -> Value {
        Value { value, path: name.to_owned() }
    }

    /// A property of an object.
    pub(crate) fn field(&self, name: &str) -> Result<Value, JsValue> {
        let value = Reflect::get(&self.value, &name.into()).map_err(|_| self.wrong("an object"))?;
        Ok(Value { value, path: format!("{}.{name}", self.path) })
    }

    /// `None` for null, and for what is missing.
    pub(crate) fn optional(self) -> Option<Value> {
        (!self.value.is_null() && !self.value.is_undefined()).then_some(self)
    }

    pub(crate) fn list(&self) -> Result<impl ExactSizeIterator<Item = Value>, JsValue> {
        if !Array::is_array(&self.value) {
            return Err(self.wrong("an array"));
        }
        let items = Array::from(&self.value).to_vec().into_iter().enumerate();
        Ok(items.map(|(index, value)| Value { value, path: format!("{}[{index}]", self.path) }))
    }

    pub(crate) fn text(&self) -> Result<String, JsValue> {
        self.value.as_string().ok_or_else(|| self.wrong("a string"))
    }

    /// A whole number from 0: a time in milliseconds or a count.
    pub(crate) fn whole(&self) -> Result<u64, JsValue> {
        // Up to 2^53 every whole number is exact.
        let is_whole =
            |value: &f64| *value >= 0.0 && value.fract() == 0.0 && *value <= 9_007_199_254_740_992.0;
        let value = self.value.as_f64().filter(is_whole);
        value.map(|value| value as u64).ok_or_else(|| self.wrong("a whole number from 0"))
    }

    pub(crate) fn one_of<T: Copy>(&self, known: &[(&str, T)]) -> Result<T, JsValue> {
        let text = self.value.as_string().unwrap_or_default();
        let found = known.iter().find(|(name, _)| *name == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            self.wrong(&names.join(" or "))
        })
    }

    /// Says what was expected, and shows nothing of what came: it may be a password.
    pub(crate) fn wrong(&self, expected: &str) -> JsValue {
        shape_error(format_args!("{}: expected {expected}", self.path))
    }
}
