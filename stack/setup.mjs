/**
 * Brings everything that a command needs, and nothing twice. It uses Node's own modules only: it runs before any
 * package is there.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inherit, output, ROOT } from "./processes.mjs";
import { Failure, say } from "./say.mjs";

/** Packages, and the WASM modules. */
export async function setUp() {
  await installPackages();
  await buildCore();
}

/** `npm ci`, unless the installed packages are those of the lock file. */
export async function installPackages() {
  const lock = await readFile(join(ROOT, "package-lock.json"));
  const wanted = createHash("sha256").update(lock).digest("hex");
  const stamp = join(ROOT, "node_modules/.set-up");
  if ((await readFile(stamp, "utf8").catch(() => "")) === wanted) return;
  say("installing packages (npm ci)");
  const npm = await output("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
  if (npm.status !== 0) {
    throw new Failure(
      `npm ci failed; is there a network?\n${npm.text.trim().split("\n").slice(-8).join("\n")}`,
    );
  }
  await writeFile(stamp, wanted);
}

export function requireRust() {
  if (spawnSync("cargo", ["--version"]).status === 0) return;
  throw new Failure("Rust is missing: install it from https://rustup.rs, then run this again");
}

/** The WASM modules that the functions import, built where anything has changed. */
export async function buildCore() {
  requireRust();
  say("building the Rust core");
  const status = await inherit("cargo", ["xtask", "build"]);
  if (status !== 0) throw new Failure("the Rust core did not build; see above");
}
