//! JSON as people like to read it: what says what a thing is stands first, and what is short stands in one line.

use serde_json::{Map, Value};

/// How long a line may be.
const WIDTH: usize = 110;

/// Keys that stand first, in this order; the others follow by name.
const FIRST: [&str; 38] = [
    "$schema",
    "$ref",
    "openapi",
    "asyncapi",
    "info",
    "title",
    "version",
    "name",
    "in",
    "summary",
    "description",
    "operationId",
    "action",
    "address",
    "channel",
    "type",
    "const",
    "enum",
    "format",
    "pattern",
    "default",
    "servers",
    "defaultContentType",
    "channels",
    "operations",
    "paths",
    "properties",
    "required",
    "additionalProperties",
    "examples",
    "event",
    "timestamp",
    "actor_user_id",
    "data",
    "request_id",
    "idempotency_key",
    "trace_id",
    "test",
];

/// The text of a document, with a line's end at its end.
pub(super) fn print(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, 0, 0);
    text.push('\n');
    text
}

/// `used`: how much of the line is taken by what stands before the value.
fn write(text: &mut String, value: &Value, depth: usize, used: usize) {
    let line = in_one_line(value);
    let is_short = used + line.chars().count() <= WIDTH;
    match value {
        Value::Object(map) if !(is_short || map.is_empty()) => {
            text.push('{');
            for (at, (key, value)) in ordered(map).into_iter().enumerate() {
                let key = format!("{}: ", Value::from(key));
                begin(text, at, depth + 1);
                text.push_str(&key);
                write(text, value, depth + 1, 2 * (depth + 1) + key.chars().count() + 1);
            }
            end(text, depth, '}');
        }
        Value::Array(items) if !(is_short || items.is_empty()) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                begin(text, at, depth + 1);
                write(text, item, depth + 1, 2 * (depth + 1) + 1);
            }
            end(text, depth, ']');
        }
        _ => text.push_str(&line),
    }
}

fn begin(text: &mut String, at: usize, depth: usize) {
    text.push_str(if at == 0 { "\n" } else { ",\n" });
    text.push_str(&"  ".repeat(depth));
}

fn end(text: &mut String, depth: usize, bracket: char) {
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
    text.push(bracket);
}

fn in_one_line(value: &Value) -> String {
    match value {
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let pairs: Vec<String> = ordered(map)
                .into_iter()
                .map(|(key, value)| format!("{}: {}", Value::from(key), in_one_line(value)))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(in_one_line).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// The order does not depend on how the map keeps its keys, which a feature of serde_json decides.
fn ordered(map: &Map<String, Value>) -> Vec<(&str, &Value)> {
    let mut pairs: Vec<(&str, &Value)> = map.iter().map(|(key, value)| (key.as_str(), value)).collect();
    pairs.sort_by_key(|(key, _)| (FIRST.iter().position(|first| first == key).unwrap_or(FIRST.len()), *key));
    pairs
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_printed_reads_back_as_the_same_value() {
        let long = "x".repeat(WIDTH);
        let value = json!({
            "b": [1, 2.5, null, true, [], {}], "a": {"type": "string", "enum": ["\"", "é"]}, "long": [long, {"k": long}],
        });
        let text = print(&value);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert!(
            text.contains("\n  \"a\": { \"type\": \"string\", \"enum\": [\"\\\"\", \"é\"] },\n"),
            "{text}"
        );
    }

    #[test]
    fn known_keys_stand_first_and_others_follow_by_name() {
        let text = print(&json!({"z": 1, "a": 1, "type": 1, "$schema": 1}));
        assert_eq!(text, "{ \"$schema\": 1, \"type\": 1, \"a\": 1, \"z\": 1 }\n");
    }
}
