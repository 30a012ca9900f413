//! Descriptions that machines read, made of the Rust types: JSON schemas of what receivers get, an AsyncAPI document for
//! receivers, an OpenAPI document for callers, and the types of `clients/emit.ts`. They are committed, and the gate fails
//! where they are not what this makes.

mod asyncapi;
mod events;
mod json;
mod openapi;
mod typescript;

use std::{fs, path::Path};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::say;

/// Writes all descriptions.
pub(crate) fn write(root: &Path) -> anyhow::Result<()> {
    for File { path, text } in files(root)? {
        let file = root.join(&path);
        let folder = file.parent().context("a description lies in a folder")?;
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        if fs::read_to_string(&file).is_ok_and(|written| written == text) {
            continue;
        }
        fs::write(&file, text).with_context(|| path.clone())?;
        say(&format!("  {path} is written"));
    }
    Ok(())
}

/// Fails where a description is not what the types say, and names it.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let files = files(root)?;
    let is_stale = |file: &&File| {
        // Git may have written it with the line ends of its platform.
        let written = fs::read_to_string(root.join(&file.path)).unwrap_or_default().replace("\r\n", "\n");
        written != file.text
    };
    let stale: Vec<&str> = files.iter().filter(is_stale).map(|file| file.path.as_str()).collect();
    ensure!(stale.is_empty(), "{}: not what the types say; run cargo xtask describe", stale.join(", "));
    let left = left_over(root, &files)?;
    ensure!(left.is_empty(), "{}: no event of this name; remove it", left.join(", "));
    say(&format!("  {} descriptions are what the types say", files.len()));
    Ok(())
}

/// A file to write, by its path below the root.
struct File {
    path: String,
    text: String,
}

const SCHEMAS: &str = "docs/schemas";

fn files(root: &Path) -> anyhow::Result<Vec<File>> {
    let described = events::Described::new()?;
    let document = |path: &str, value: &Value| File { path: path.to_owned(), text: json::print(value) };
    let mut files = vec![
        document(&format!("{SCHEMAS}/envelope.schema.json"), &described.envelope_schema()?),
        document("docs/asyncapi.json", &asyncapi::document(&described)?),
        document("docs/openapi.json", &openapi::document(&read_health_schema(root)?)?),
        typescript::emit(root, &described)?,
    ];
    for event in &described.events {
        let path = format!("{SCHEMAS}/{}.schema.json", event.name);
        files.push(document(&path, &described.event_schema(event)?));
    }
    Ok(files)
}

/// Written by hand: the answer has no type of its own outside the facade.
fn read_health_schema(root: &Path) -> anyhow::Result<Value> {
    let path = "docs/webhook-health.schema.json";
    let text = fs::read_to_string(root.join(path)).context(path)?;
    serde_json::from_str(&text).context(path)
}

/// Schemas of events that there are no more.
fn left_over(root: &Path, files: &[File]) -> anyhow::Result<Vec<String>> {
    let mut left = Vec::new();
    for entry in fs::read_dir(root.join(SCHEMAS)).context(SCHEMAS)? {
        let path = format!("{SCHEMAS}/{}", entry?.file_name().to_string_lossy());
        if !files.iter().any(|file| file.path == path) {
            left.push(path);
        }
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A copy of what the descriptions are made of beside the types.
    fn scratch() -> anyhow::Result<std::path::PathBuf> {
        let root = crate::root()?;
        let scratch = std::env::temp_dir().join(format!("describe-{}", std::process::id()));
        let _ = fs::remove_dir_all(&scratch);
        for path in ["docs/webhook-health.schema.json", "clients/emit.ts"] {
            let copy = scratch.join(path);
            fs::create_dir_all(copy.parent().context("a folder")?)?;
            fs::copy(root.join(path), copy)?;
        }
        Ok(scratch)
    }

    #[test]
    fn what_is_not_what_the_types_say_is_named() -> anyhow::Result<()> {
        let root = scratch()?;
        write(&root)?;
        check(&root)?;
        let failure = || check(&root).map_err(|error| error.to_string()).unwrap_err();

        let emit = root.join("clients/emit.ts");
        let written = fs::read_to_string(&emit)?;
        assert!(written.contains("member_count: number;"));
        fs::write(&emit, written.replace("member_count: number;", "member_count: string;"))?;
        let schema = root.join("docs/schemas/discussion.extended.schema.json");
        fs::write(&schema, fs::read_to_string(&schema)?.replace("new_expires_at", "expires_at"))?;
        assert_eq!(
            failure(),
            "clients/emit.ts, docs/schemas/discussion.extended.schema.json: \
             not what the types say; run cargo xtask describe"
        );

        write(&root)?;
        assert_eq!(fs::read_to_string(&emit)?, written);
        fs::write(root.join("docs/schemas/user.left.schema.json"), "{}")?;
        assert_eq!(failure(), "docs/schemas/user.left.schema.json: no event of this name; remove it");
        fs::remove_dir_all(&root)?;
        Ok(())
    }
}
