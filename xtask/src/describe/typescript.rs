//! The types of the events in `clients/emit.ts`: a region of a file that is otherwise written by hand, so that there is one
//! file to copy.

use std::{fmt::Write, fs, path::Path};

use anyhow::{Context, bail};
use serde_json::Value;

use super::{File, events::Described};

const PATH: &str = "clients/emit.ts";
const BEGIN: &str = "// The events, generated from crates/webhook-payload by `cargo xtask describe`: do not edit them here.\n";
const END: &str = "// The end of what is generated.\n";

/// The file with the region that the types say.
pub(super) fn emit(root: &Path, described: &Described) -> anyhow::Result<File> {
    let written = fs::read_to_string(root.join(PATH)).context(PATH)?.replace("\r\n", "\n");
    let marks = || format!("{PATH}: the lines that begin and end what is generated are missing");
    let (before, rest) = written.split_once(BEGIN).with_context(marks)?;
    let (_, after) = rest.split_once(END).with_context(marks)?;
    let text = format!("{before}{BEGIN}{}{END}{after}", event_data(described)?);
    Ok(File { path: PATH.to_owned(), text })
}

fn event_data(described: &Described) -> anyhow::Result<String> {
    let mut text = String::from(
        "\n/** What the application's events carry, by their names. */\nexport interface EventData {\n",
    );
    for event in described.events.iter().filter(|event| event.is_applications) {
        writeln!(text, "  /** {} */\n  \"{}\": {{", event.description, event.name)?;
        let required = event.data.get("required").and_then(Value::as_array).context("data has keys")?;
        // In the order of the Rust struct, which the properties do not keep.
        for key in required.iter().filter_map(Value::as_str) {
            let property = event.data.pointer(&format!("/properties/{key}")).context(key.to_owned())?;
            let description = property.get("description").and_then(Value::as_str).context(key.to_owned())?;
            writeln!(text, "    /** {description} */\n    {key}: {};", type_of(property)?)?;
        }
        text.push_str("  };\n");
    }
    text.push_str("}\n\n");
    Ok(text)
}

fn type_of(property: &Value) -> anyhow::Result<String> {
    let kinds = match property.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(kind)) => vec![kind.as_str()],
        _ => bail!("{property}: has no type"),
    };
    let names = kinds.into_iter().map(|kind| match kind {
        "string" | "boolean" | "null" => Ok(kind),
        "integer" | "number" => Ok("number"),
        other => bail!("{property}: {other} has no TypeScript here"),
    });
    Ok(names.collect::<anyhow::Result<Vec<_>>>()?.join(" | "))
}
