//! Crate to WASM, WASM to the TypeScript modules that the functions import.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use wasm_bindgen_cli_support::Bindgen;

use crate::{say, stamp, toolchain::Toolchain};

/// A facade crate and what its module may weigh before base64: it is decoded and compiled at every cold start.
struct Module {
    name: &'static str,
    most_bytes: usize,
    /// Flags of rustc beside the profile's.
    flags: &'static [&'static str],
    /// How wasm-opt weighs speed against size.
    optimise: &'static str,
}

impl Module {
    /// The glue, its types, and the module's bytes.
    fn outputs(&self) -> [String; 3] {
        let name = self.name;
        [format!("{name}.js"), format!("{name}.d.ts"), format!("{name}_bytes.ts")]
    }
}

const MODULES: [Module; 2] = [
    Module {
        name: "webhook_wasm",
        // It was 520,000. 23,000 more carry deliveries across as bytes, 14,000 sign four at a time, 7,000 read answers and write
        // requests at opt-level 3: docs/bench.md has what they bring.
        most_bytes: 565_000,
        flags: &["-Ctarget-feature=+simd128"],
        optimise: "-Oz",
    },
    Module {
        name: "webhook_kafka_wasm",
        most_bytes: 160_000,
        // Here SHA-2 salts a password now and then: its rounds need not be unrolled.
        flags: &["--cfg=sha2_backend_soft=\"compact\""],
        optimise: "-Oz",
    },
];

const GENERATED: &str = "functions/_shared/generated";

/// Everything that the modules depend on.
const INPUTS: [&str; 6] =
    ["Cargo.toml", "Cargo.lock", "crates", "package-lock.json", "xtask/Cargo.toml", "xtask/src"];

/// The features of WebAssembly that rustc uses by default; both levels of the runtime have them.
const FEATURES: [&str; 7] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
    "--enable-simd",
];

/// Builds all modules, unless nothing has changed since they were built.
pub(crate) fn build(root: &Path) -> anyhow::Result<()> {
    let generated = root.join(GENERATED);
    let stamp_file = generated.join("build.stamp");
    let stamp = stamp::of(root, &INPUTS)?;
    let outputs = MODULES.iter().flat_map(|module| module.outputs());
    let is_complete = outputs.into_iter().all(|file| generated.join(file).exists());
    if is_complete && fs::read_to_string(&stamp_file).is_ok_and(|built| built == stamp) {
        say("  WASM modules are up to date");
        return Ok(());
    }
    let _ = fs::remove_file(&stamp_file);
    fs::create_dir_all(&generated).context("making the folder of generated code")?;
    let toolchain = Toolchain::find()?;
    for module in &MODULES {
        build_module(root, &generated, module, &toolchain)?;
    }
    fs::write(&stamp_file, stamp).context("writing build.stamp")
}

fn build_module(root: &Path, generated: &Path, module: &Module, toolchain: &Toolchain) -> anyhow::Result<()> {
    let name = module.name;
    say(&format!("  compiling {name} to WASM (the first time takes two minutes)"));
    let target_dir = root.join("target/wasm");
    let mut cargo = toolchain.cargo_build(root, &target_dir, module.flags);
    cargo.args(["--package", &name.replace('_', "-"), "--lib"]);
    ensure!(cargo.status().context("running cargo")?.success(), "{name} did not compile to WASM");

    let compiled = target_dir.join(format!("wasm32-unknown-unknown/release/{name}.wasm"));
    let mut bindgen = Bindgen::new();
    // The `web` target with the bytes inlined is what every way of deploying uploads.
    bindgen.input_path(&compiled).web(true)?.typescript(true).omit_default_module_path(true);
    let mut output = bindgen.generate_output()?;
    let bound = target_dir.join(format!("{name}.bound.wasm"));
    let optimised = target_dir.join(format!("{name}.optimised.wasm"));
    fs::write(&bound, output.wasm_mut().emit_wasm()).context("writing the bound module")?;
    let status = Command::new("node")
        .arg(root.join("node_modules/binaryen/bin/wasm-opt"))
        .args(FEATURES)
        .args([module.optimise, "--strip-debug", "--strip-producers"])
        .arg(&bound)
        .arg("-o")
        .arg(&optimised)
        .status()
        .context("running wasm-opt")?;
    ensure!(status.success(), "wasm-opt failed on {name}");

    let bytes = fs::read(&optimised).context("reading the optimised module")?;
    let size = bytes.len();
    let most = module.most_bytes;
    ensure!(size <= most, "{name} has {size} bytes, more than the {most} that a cold start may cost");
    let write = |file: String, text: &str| fs::write(generated.join(&file), text).context(file);
    let [glue, types, inlined] = module.outputs();
    write(glue, output.js())?;
    write(types, output.ts().context("the facade has no TypeScript")?)?;
    write(inlined, &format!("export const WASM_BASE64 =\n  \"{}\";\n", BASE64_STANDARD.encode(&bytes)))?;
    say(&format!("  {name}: {size} bytes of WASM, at most {most}"));
    Ok(())
}
