/**
 * `npm run release`: builds, and makes a folder that deploys without Rust, its checksums and its bill of materials in `dist/`.
 * The same commit and toolchain make the same bytes.
 *
 *     --tag vVERSION    refuses a tag that is not this version, and a version without a date in the CHANGELOG
 *     --check           only that, without building
 *     --out FOLDER      instead of `dist`; an earlier release in it is removed
 *
 * `SOURCE_DATE_EPOCH` (seconds since 1970) is the files' time; without it, the commit's.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { uploadsOf } from "./deploy/uploads.mjs";
import { FUNCTIONS } from "./functions.mjs";
import { ROOT } from "./processes.mjs";
import { compiledCrates, inOrder, licenceTexts } from "./release/crates.mjs";
import { sbom } from "./release/sbom.mjs";
import { projectVersion, releaseNotes, requireTag } from "./release/version.mjs";
import { Failure, run, say } from "./say.mjs";
import { setUp } from "./setup.mjs";

/** What is released beside what git lists in `functions` and `supabase`. */
const GENERATED = ["webhook_wasm", "webhook_kafka_wasm"]
  .flatMap((name) => [`${name}.js`, `${name}.d.ts`, `${name}_bytes.ts`])
  .map((file) => `functions/_shared/generated/${file}`);
const LICENCES = ["LICENSE-APACHE", "LICENSE-MIT"];
/** What a user copies; the others are this repository's own. */
const WORKFLOWS = ["webhook-dispatcher", "close-discussions", "webhook-health"].map((name) => `${name}.yml`);
/** The files of a release. */
const RELEASED = /^(?:supabase-webhooks-.+\.(?:tar\.gz|cdx\.json)|NOTES\.md|SHA256SUMS)$/;

await run(async () => {
  const { tag, check, out } = readOptions();
  const version = await projectVersion();
  if (tag !== undefined) requireTag(tag, version);
  const notes = await releaseNotes(version, { mustHaveDate: tag !== undefined });
  if (check) return say(`${version} can be released`);
  const seconds = timeOfSources();
  await setUp();
  await mkdir(out, { recursive: true });
  for (const file of (await readdir(out)).filter((file) => RELEASED.test(file))) await rm(join(out, file));
  const name = `supabase-webhooks-${version}`;
  const crates = await compiledCrates();
  const work = await mkdtemp(join(tmpdir(), "supabase-webhooks-release-"));
  try {
    const files = await fillFolder(join(work, name), { version, crates });
    await pack(join(out, `${name}.tar.gz`), work, files.map((file) => `${name}/${file}`), seconds);
  } finally {
    await rm(work, { recursive: true });
  }
  await writeFile(join(out, `${name}.cdx.json`), await sbom({ version, seconds, crates }));
  await writeFile(join(out, "NOTES.md"), notes);
  const sums = [];
  for (const file of [`${name}.cdx.json`, `${name}.tar.gz`]) {
    sums.push(`${createHash("sha256").update(await readFile(join(out, file))).digest("hex")}  ${file}\n`);
  }
  await writeFile(join(out, "SHA256SUMS"), sums.join(""));
  process.stdout.write(sums.join(""));
});

function readOptions() {
  try {
    const string = { type: "string" };
    const options = {
      tag: string,
      out: { ...string, default: "dist" },
      check: { type: "boolean", default: false },
    };
    const { values } = parseArgs({ options });
    return { ...values, out: resolve(ROOT, values.out) };
  } catch (error) {
    throw new Failure(error.message);
  }
}

/** Makes the folder and returns its files, sorted. */
async function fillFolder(folder, { version, crates }) {
  const { devDependencies } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  const deploy = await readFile(join(ROOT, "stack/release/DEPLOY.md"), "utf8");
  const made = new Map([
    ["DEPLOY.md", deploy.replaceAll("VERSION", version).replaceAll("@CLI", `@${devDependencies.supabase}`)],
    ["THIRD-PARTY-LICENSES.txt", await licenceTexts(crates)],
  ]);
  const copied = new Map(
    [...listedByGit("functions", "supabase"), ...GENERATED, ...LICENCES].map((file) => [file, file]),
  );
  for (const file of listedByGit(...WORKFLOWS.map((file) => `.github/workflows/${file}`))) {
    copied.set(file.replace(".github/", ""), file);
  }
  for (const [to, from] of copied) {
    await mkdir(dirname(join(folder, to)), { recursive: true });
    await cp(join(ROOT, from), join(folder, to));
  }
  for (const [to, text] of made) await writeFile(join(folder, to), text);
  // What the CLI will upload must be in the folder by itself.
  for (const name of FUNCTIONS) await uploadsOf(folder, name);
  return [...copied.keys(), ...made.keys()].sort(inOrder);
}

async function pack(archive, folder, files, seconds) {
  const { create } = await import("tar");
  // Portable: without owners, and with modes that do not depend on a umask.
  const options = {
    file: archive,
    cwd: folder,
    portable: true,
    mtime: new Date(seconds * 1000),
    noDirRecurse: true,
  };
  await create({ ...options, gzip: { level: 9 } }, files);
}

/** Seconds since 1970. */
function timeOfSources() {
  const text = process.env.SOURCE_DATE_EPOCH || git("log", "-1", "--format=%ct").trim();
  if (!/^\d+$/.test(text)) throw new Failure(`SOURCE_DATE_EPOCH: expected seconds since 1970, got "${text}"`);
  return Number(text);
}

function listedByGit(...paths) {
  return git("ls-files", "-z", "--", ...paths).split("\0").filter(Boolean);
}

function git(...args) {
  const { status, stdout, stderr } = spawnSync("git", args, { cwd: ROOT, encoding: "utf8" });
  if (status !== 0) {
    throw new Failure(
      `a release is made of a git clone, and git ${args[0]} failed: ${(stderr ?? "").trim()}`,
    );
  }
  return stdout;
}
