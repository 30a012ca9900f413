//! Finds a Rust that compiles to WASM.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

use crate::say;

const TARGET: &str = "wasm32-unknown-unknown";

/// Debian's Rust with the sources of its standard library, which it builds for WASM itself.
const DEBIAN_PACKAGES: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm", "lld-22"];

/// A Rust that compiles to WASM.
pub(crate) enum Toolchain {
    /// The default one: it has the target.
    Default,
    /// Debian's, under `/usr/bin`.
    Debian {
        /// The linker that both rustup and Debian's LLVM bring.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// The default toolchain if it has the target or rustup can add it; else Debian's, installed if need be.
    pub(crate) fn find() -> anyhow::Result<Toolchain> {
        if default_has_target()? {
            return Ok(Toolchain::Default);
        }
        if add_target() && default_has_target()? {
            return Ok(Toolchain::Default);
        }
        if debian_has_sources() || install_from_debian()? {
            return Ok(Toolchain::Debian { linker: linker()? });
        }
        bail!("Rust cannot compile to WASM here: run 'rustup target add {TARGET}', then again")
    }

    /// A cargo command that compiles for WASM, `build` and target included. `flags` are rustc's.
    pub(crate) fn cargo_build(&self, root: &Path, target_dir: &Path, flags: &[&str]) -> Command {
        let mut cargo = match self {
            // This program runs under the cargo that is to be used.
            Toolchain::Default => Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into())),
            Toolchain::Debian { .. } => Command::new("/usr/bin/cargo"),
        };
        // What rustup set for the cargo that runs this program is not for another one. For the same one it stays: without
        // it, a dependency's own `rust-toolchain.toml` would choose the compiler (kafka-protocol brings one).
        if matches!(self, Toolchain::Debian { .. }) {
            for variable in ["RUSTUP_TOOLCHAIN", "RUSTC", "RUSTDOC", "RUSTC_WRAPPER", "CARGO"] {
                cargo.env_remove(variable);
            }
        }
        cargo.current_dir(root).args(["build", "--release", "--locked", "--target", TARGET, "--target-dir"]);
        cargo.arg(target_dir);
        // Panic messages name source files: no machine's paths belong in what is deployed.
        let mut flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        flags.push(format!("--remap-path-prefix={}=.", root.display()));
        if let Some(home) = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(default_cargo_home) {
            flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
        }
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
        if let Toolchain::Debian { linker } = self {
            cargo
                .env("RUSTC", "/usr/bin/rustc")
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
                .arg("-Zbuild-std=std,panic_abort");
        }
        cargo
    }
}

fn default_cargo_home() -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(".cargo"))
}

fn default_has_target() -> anyhow::Result<bool> {
    Ok(sysroot()?.join("lib/rustlib").join(TARGET).join("lib").is_dir())
}

fn sysroot() -> anyhow::Result<PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().context("running rustc")?;
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

fn add_target() -> bool {
    say(&format!("  rustup target add {TARGET}"));
    let status = Command::new("rustup").args(["target", "add", TARGET]).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn debian_has_sources() -> bool {
    let prints_sysroot = Command::new("/usr/bin/rustc").args(["--print", "sysroot"]).output();
    let Ok(output) = prints_sysroot else { return false };
    let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Path::new("/usr/bin/cargo").exists()
        && Path::new(&sysroot).join("lib/rustlib/src/rust/library/Cargo.lock").exists()
}

/// Whether the packages could be installed. `false` where this is no Debian or no administrator.
fn install_from_debian() -> anyhow::Result<bool> {
    if !Path::new("/usr/bin/apt-get").exists() {
        return Ok(false);
    }
    say(&format!("  rustup has no {TARGET} here; apt-get install {}", DEBIAN_PACKAGES.join(" ")));
    let quiet = |arguments: &[&str]| {
        let output = Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output()
            .context("running apt-get")?;
        if !output.status.success() {
            say(String::from_utf8_lossy(&output.stderr).trim());
        }
        anyhow::Ok(output.status.success())
    };
    Ok(quiet(&["update"])?
        && quiet(&[["install", "-y", "--no-install-recommends"].as_slice(), &DEBIAN_PACKAGES].concat())?
        && debian_has_sources())
}

fn linker() -> anyhow::Result<PathBuf> {
    let own = sysroot()?.join("lib/rustlib").join(host()?).join("bin/rust-lld");
    let candidates =
        [own, PathBuf::from("/usr/lib/llvm-22/bin/wasm-ld"), PathBuf::from("/usr/bin/wasm-ld-22")];
    candidates.into_iter().find(|path| path.exists()).context("no linker for WASM: install Debian's lld-22")
}

fn host() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("running rustc")?;
    let text = String::from_utf8(output.stdout)?;
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("rustc -vV names no host")
}
