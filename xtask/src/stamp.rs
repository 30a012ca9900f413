//! Tells whether anything has changed since the last build.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

use anyhow::Context;

/// A digest of files and of all files below folders: names and contents.
pub(crate) fn of(root: &Path, inputs: &[&str]) -> anyhow::Result<String> {
    let mut hasher = DefaultHasher::new();
    for input in inputs {
        add(&root.join(input), &mut hasher)?;
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn add(path: &Path, hasher: &mut DefaultHasher) -> anyhow::Result<()> {
    let shown = || format!("reading {}", path.display());
    if path.is_dir() {
        let mut entries =
            fs::read_dir(path).with_context(shown)?.collect::<Result<Vec<_>, _>>().with_context(shown)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            entry.file_name().hash(hasher);
            add(&entry.path(), hasher)?;
        }
    } else {
        fs::read(path).with_context(shown)?.hash(hasher);
    }
    Ok(())
}
