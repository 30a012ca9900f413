//! The committed seeds, on the stable toolchain and without a fuzzer.

#![expect(
    clippy::unwrap_used,
    reason = "a test file throughout: clippy.toml allows it in the tests' own functions alone"
)]

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

type Property = fn(&[u8]);

/// The seeds of `corpus/TARGET` by name.
fn seeds(folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        // What a fuzzer has found on this machine is named by its hash. Everything else is a seed or a mistake.
        if name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            continue;
        }
        assert!(name.ends_with(".txt"), "{folder}/{name}: a seed's name ends with .txt, or git ignores it");
        seeds.push((name, fs::read(&path).unwrap()));
    }
    seeds.sort();
    seeds
}

fn holds(property: Property, seed: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| property(seed))).is_ok()
}

/// Every seed is run, also behind one that breaks the property. Returns how many there are.
fn run(target: &str, property: Property) -> usize {
    let seeds = seeds(&format!("corpus/{target}"));
    let broken = seeds.iter().filter(|(_, seed)| !holds(property, seed));
    let broken: Vec<&String> = broken.map(|(name, _)| name).collect();
    assert!(broken.is_empty(), "{target}: {broken:?} break the property; see the panics above");
    seeds.len()
}

#[test]
fn the_seeds_of_target_url_hold() {
    assert_eq!(run("target_url", webhook_fuzz::target_url), 132);
}

#[test]
fn the_seeds_of_http_answer_hold() {
    assert_eq!(run("http_answer", webhook_fuzz::http_answer), 85);
}

#[test]
fn the_seeds_of_http_request_hold() {
    assert_eq!(run("http_request", webhook_fuzz::http_request), 25);
}

#[test]
fn the_seeds_of_retry_after_hold() {
    assert_eq!(run("retry_after", webhook_fuzz::retry_after), 65);
}

#[test]
fn the_seeds_of_envelope_hold() {
    assert_eq!(run("envelope", webhook_fuzz::envelope), 79);
}
