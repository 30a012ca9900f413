/** The crates that are compiled into the WASM modules, as cargo resolves them for these. */

import { spawnSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ROOT } from "../processes.mjs";
import { Failure } from "../say.mjs";

/** The facades: a module each. */
export const MODULES = ["webhook-wasm", "webhook-kafka-wasm"];

const TARGET = "wasm32-unknown-unknown";

/**
 * Sorted by name and version. Without proc-macros and what belongs to these: they run when the modules are built.
 *
 * @typedef {{ name: string, version: string, licence: string, sha256: string | null, folder: string,
 *   dependsOn: string[] }} Crate `sha256` is that of the package on crates.io, and `null` for the project's own;
 *   `dependsOn` holds names and versions like `serde@1.0.229`
 * @returns {Promise<Crate[]>}
 */
export async function compiledCrates() {
  const compiled = new Set(MODULES.flatMap(namesInTree));
  const { packages, resolve } = JSON.parse(
    cargo("metadata", "--format-version=1", "--locked", "--filter-platform", TARGET),
  );
  const checksums = checksumsIn(await readFile(join(ROOT, "Cargo.lock"), "utf8"));
  const keys = new Map(packages.map(({ id, name, version }) => [id, `${name}@${version}`]));
  const crates = [];
  for (const { id, deps } of resolve.nodes) {
    const key = keys.get(id);
    if (!compiled.has(key)) continue;
    const { name, version, license, manifest_path } = packages.find((one) => one.id === id);
    const dependsOn = deps.map(({ pkg }) => keys.get(pkg)).filter((other) => compiled.has(other));
    // Old packages write `MIT/Apache-2.0` for OR.
    const licence = license.replaceAll("/", " OR ");
    const sha256 = checksums.get(key) ?? null;
    crates.push({
      name,
      version,
      licence,
      sha256,
      folder: dirname(manifest_path),
      dependsOn: dependsOn.sort(inOrder),
    });
  }
  if (crates.length !== compiled.size) {
    throw new Failure("cargo tree and cargo metadata name different crates");
  }
  return crates.sort((a, b) => inOrder(`${a.name}@${a.version}`, `${b.name}@${b.version}`));
}

/** The crates' licences, each text once: what comes with a compiled crate must be passed on with it. */
export async function licenceTexts(crates) {
  const texts = new Map();
  for (const { name, version, licence, folder, sha256 } of crates) {
    if (!sha256) continue;
    const files = (await readdir(folder)).filter((file) =>
      /^(?:un)?licen[cs]e|^copy(?:ing|right)|^notice/i.test(file)
    );
    const found = await Promise.all(files.sort(inOrder).map((file) => readFile(join(folder, file), "utf8")));
    for (const text of found.length > 0 ? found : [`(the package has no text; it says: ${licence})`]) {
      const key = text.replaceAll("\r\n", "\n").trim();
      texts.set(key, [...texts.get(key) ?? [], `${name} ${version} (${licence})`]);
    }
  }
  const line = "-".repeat(100);
  return [...texts].map(([text, names]) => `${line}\n${names.join("\n")}\n${line}\n\n${text}\n`).join("\n");
}

/** The order of code units: that of a language would differ from machine to machine. */
export function inOrder(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

function namesInTree(name) {
  const edges = ["--edges", "normal,no-proc-macro"];
  const text = cargo("tree", "--locked", "--package", name, ...edges, "--target", TARGET, "--prefix", "none");
  return text.trim().split("\n").map((line) => {
    const [, crate, version] = /^(\S+) v(\S+)/.exec(line) ?? [];
    if (!crate) throw new Failure(`cargo tree says what is no crate: ${line}`);
    return `${crate}@${version}`;
  });
}

function checksumsIn(lock) {
  const entry =
    /name = "([^"]+)"\nversion = "([^"]+)"\n(?:source = "[^"]+"\n)?(?:checksum = "([0-9a-f]{64})")?/g;
  return new Map([...lock.matchAll(entry)].map(([, name, version, sum]) => [`${name}@${version}`, sum]));
}

function cargo(...args) {
  const { status, stdout, stderr } = spawnSync("cargo", args, {
    cwd: ROOT,
    encoding: "utf8",
    maxBuffer: 1e8,
  });
  if (status !== 0) throw new Failure(`cargo ${args[0]} failed: ${(stderr ?? "").trim().split("\n").at(-1)}`);
  return stdout;
}
