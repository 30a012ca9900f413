//! Checks every dependency's licence and source, from what cargo knows without a network.

use std::{collections::BTreeSet, path::Path, process::Command};

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::say;

/// Licences that ask no more than to be named.
const ALLOWED: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0", // for data: the root certificates that a test dependency brings
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

/// Fails on a licence that is not allowed, and on a package that comes from elsewhere than crates.io.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["metadata", "--format-version=1", "--locked", "--all-features"])
        .current_dir(root)
        .output()
        .context("running cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).context("reading cargo metadata")?;
    let mut wrong = BTreeSet::new();
    for package in &metadata.packages {
        let Package { name, version, .. } = package;
        let licence = package.license.as_deref().unwrap_or("");
        if !is_allowed(licence) {
            wrong.insert(format!("{name} {version}: licence {licence:?} is not allowed"));
        }
        if package.source.as_deref().is_some_and(|source| source != CRATES_IO) {
            wrong.insert(format!("{name} {version}: comes from elsewhere than crates.io"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
    say(&format!("  licences and sources of {} packages are as allowed", metadata.packages.len()));
    Ok(())
}

/// An SPDX expression is allowed if one way through its ORs is allowed; all parts of an AND must be.
fn is_allowed(expression: &str) -> bool {
    // Old packages write `MIT/Apache-2.0` for OR.
    let expression = expression.replace('/', " OR ").replace(['(', ')'], " ");
    expression.split(" AND ").all(|all| all.split(" OR ").any(|one| ALLOWED.contains(&one.trim())))
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn one_allowed_alternative_is_enough_and_all_parts_are_needed() {
        assert!(is_allowed("MIT"));
        assert!(is_allowed("GPL-3.0 OR MIT"));
        assert!(is_allowed("MIT/Apache-2.0"));
        assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(is_allowed("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT"));
        for refused in ["", "GPL-3.0", "MIT AND GPL-3.0", "AGPL-3.0-only OR SSPL-1.0"] {
            assert!(!is_allowed(refused), "{refused}");
        }
    }
}
