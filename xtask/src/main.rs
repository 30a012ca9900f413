//! Builds what the functions import. `cargo xtask build` makes the WASM modules and the TypeScript around them,
//! `cargo xtask describe` writes what machines read about the events and the functions, `cargo xtask licences` checks where
//! dependencies come from and on what terms, `cargo xtask variables` writes the README's tables of variables and
//! `.env.example`.

mod build;
mod describe;
mod licences;
mod stamp;
mod toolchain;
mod variables;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let root = root()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["build"] => build::build(&root),
        ["licences"] => licences::check(&root),
        ["variables"] => variables::write(&root),
        ["variables", "--check"] => variables::check(&root),
        ["describe"] => describe::write(&root),
        ["describe", "--check"] => describe::check(&root),
        _ => bail!("usage: cargo xtask build | describe [--check] | licences | variables [--check]"),
    }
}

/// The workspace's root: above this package.
fn root() -> anyhow::Result<PathBuf> {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    Ok(package.parent().context("xtask lies in the workspace's root")?.to_path_buf())
}

/// Shows a step, on stderr: stdout is left to results.
fn say(line: &str) {
    eprintln!("{line}");
}
