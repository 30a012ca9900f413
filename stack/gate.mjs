/**
 * `npm test`: the whole gate, or one part of it: `npm test -- PART`. `npm run check` is its quick half.
 */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { FUNCTIONS } from "./functions.mjs";
import { endPostgres, postgresUrl } from "./gate-database.mjs";
import { ROOT } from "./processes.mjs";
import {
  brokersForTests,
  denoPath,
  HYPER,
  HYPER_BUILD,
  nginxForTests,
  pythonForApi,
  pythonForTests,
  pythonForWorkflows,
  runs,
} from "./programs.mjs";
import { Report } from "./report.mjs";
import { Failure, run } from "./say.mjs";
import { installPackages, requireRust } from "./setup.mjs";

const DEBIAN_POSTGRES_15 = "/usr/lib/postgresql/15/bin";
const TESTS = join(ROOT, "tests");
/** The folders that hold TypeScript and JavaScript. */
const SOURCES = ["functions", "tests", "stack", "clients", "bench"];
/** Each run has a seed of its own, which is shown where it fails. */
const CHAOS = [
  join(ROOT, "stack/chaos.mjs"),
  ...["--deliveries", "1000", "--receivers", "8", "--dispatchers", "2", "--seconds-between-kills", "2.5"],
  ...["--restarts", "1", "--json"],
];

const report = new Report();
let coreIsBuilt = false;

const PARTS = {
  async rust(_levels, { quick }) {
    const cargo = (name, ...args) => report.step(name, "cargo", args);
    await cargo("Rust is formatted", "fmt", "--all", "--check");
    await cargo(
      "clippy has nothing to say",
      ...["clippy", "--workspace", "--all-targets", "--all-features", "--locked", "--", "-D", "warnings"],
    );
    await cargo("licences and sources of the crates are allowed", "xtask", "licences");
    await cargo("README.md and .env.example have the code's variables", "xtask", "variables", "--check");
    await cargo("the descriptions are what the types say", "xtask", "describe", "--check");
    if (spawnSync("cargo", ["deny", "--version"]).status === 0) {
      await cargo("no crate has a known advisory", "deny", "--all-features", "check", "advisories");
    } else {
      report.skip(
        "advisories of the crates",
        "cargo-deny is not installed, and its database needs a network",
      );
    }
    const tests = ["--workspace", "--all-features", "--locked"];
    if (spawnSync("cargo", ["nextest", "--version"]).status === 0) {
      await report.suite("Rust tests", "cargo", ["nextest", "run", ...tests], nextestCounts);
    } else {
      await report.suite("Rust tests", "cargo", ["test", "--all-targets", ...tests], cargoTestCounts);
    }
    const env = { RUSTDOCFLAGS: "-D warnings" };
    await report.step(
      "Rust's documentation builds",
      "cargo",
      ["doc", "--workspace", "--no-deps", "--locked"],
      { env },
    );
    await fuzzTargets(quick);
  },

  async wasm(levels) {
    await report.step("the WASM modules build within their size", "cargo", ["xtask", "build"], {
      show: /bytes|up to date/,
    });
    await denoTests(levels, "wasm");
  },

  async functions(levels) {
    await needsCore();
    const deno = await denoPath();
    const config = ["--config", "functions/deno.json"];
    await report.step("TypeScript is formatted", deno, [
      "fmt",
      "--check",
      ...config,
      ...SOURCES,
    ]);
    await report.step("deno lint has nothing to say", deno, [
      "lint",
      ...config,
      ...SOURCES,
    ]);
    for (const level of levels) {
      const entries = FUNCTIONS.map((name) => `${name}/index.ts`);
      await report.step(`the functions' types fit (Deno ${level})`, await denoPath(level), [
        "check",
        "--frozen",
        ...entries,
      ], {
        cwd: join(ROOT, "functions"),
      });
    }
    await report.step("the tests' types fit", deno, ["check", "."], { cwd: TESTS });
    await report.step("the bench's types fit", deno, ["check", "."], { cwd: join(ROOT, "bench") });
    await denoTests(levels, "functions");
  },

  async db(levels) {
    await needsCore();
    const { python, reason } = await pythonForTests();
    if (!python) {
      report.skip("traces read by OpenTelemetry's own definitions, metrics by Prometheus' client", reason);
    }
    const env = { TEST_PYTHON: python ?? "" };
    const url = await postgresUrl();
    for (const level of levels) await denoTests([level], "db", { url, env, note: "PostgreSQL 17" });
    if (existsSync(DEBIAN_POSTGRES_15)) {
      await denoTests(["newest"], "db", {
        url: await postgresUrl(DEBIAN_POSTGRES_15),
        env,
        note: "PostgreSQL 15",
      });
    } else {
      report.skip("db on PostgreSQL 15", `there is none in ${DEBIAN_POSTGRES_15} (Debian: postgresql-15)`);
    }
  },

  async api(levels) {
    await needsCore();
    const { python, reason } = await pythonForApi();
    if (!python) report.skip("docs/openapi.json, by a validator and against the functions", reason);
    await denoTests(levels, "api", { url: await postgresUrl(), env: { TEST_API_PYTHON: python ?? "" } });
  },

  async protocols(levels) {
    await needsCore();
    const { python, reason } = await pythonForTests();
    if (!python) report.skip("the README's receiver for Python, and Slack's own view of blocks", reason);
    const brokers = await brokersForTests();
    for (const { part, reason } of brokers.missing) report.skip(`deliveries to ${part}`, reason);
    const { nginx, ...without } = await nginxForTests();
    if (!nginx) report.skip("requests to nginx", without.reason);
    await report.step("hyper's server builds, to be sent to", "cargo", [
      ...HYPER_BUILD,
      "--target-dir",
      "target",
    ]);
    await denoTests(levels, "protocols", {
      url: await postgresUrl(),
      env: {
        TEST_HYPER: HYPER,
        TEST_NGINX: nginx ?? "",
        TEST_PYTHON: python ?? "",
        TEST_BROKERS: brokers.parts.join(","),
        TEST_BROKERS_PYTHON: brokers.python ?? "",
      },
    });
  },

  async deploy(levels) {
    await needsCore();
    const { python, reason } = await pythonForWorkflows();
    if (!python) report.skip("zizmor and ShellCheck on the workflows", reason);
    const missing = ["bash", "curl", "jq", "sha256sum"].filter((name) => !runs(name, "--version"));
    if (missing.length > 0) report.skip("the workflows' steps", `${missing.join(", ")} is missing`);
    await denoTests(levels, "deploy", {
      url: await postgresUrl(),
      env: { TEST_WORKFLOWS_PYTHON: python ?? "" },
    });
    await report.step("npm start -- --once delivers nine of nine", process.execPath, await startArguments(), {
      show: /"events":9,"delivered":9/,
    });
    await report.step(
      "npm start -- --once --migrated delivers nine of nine",
      process.execPath,
      [...(await startArguments()), "--migrated"],
      { show: /"events":9,"delivered":9/ },
    );
  },

  async chaos(levels) {
    await needsCore();
    await denoTests(levels, "chaos", { url: await postgresUrl() });
    await report.step("npm run chaos, in short", process.execPath, CHAOS, {
      show: /^\{"deliveries":1000,"lost":0,/,
    });
  },
};

await run(async () => {
  const { quick, names } = readArguments(process.argv.slice(2));
  requireRust();
  await installPackages();
  const levels = quick ? ["newest"] : ["newest", "hosted"];
  try {
    for (const name of names) {
      report.part(name);
      await PARTS[name](levels, { quick }).catch((error) => report.broke(name, error));
    }
  } finally {
    await endPostgres();
    report.close();
  }
  if (report.failed > 0) process.exitCode = 1;
});

function readArguments(args) {
  const quick = args.includes("--quick");
  const names = args.filter((arg) => arg !== "--quick");
  const unknown = names.find((name) => !Object.hasOwn(PARTS, name));
  if (unknown) {
    throw new Failure(`there is no part ${unknown}; the parts are ${Object.keys(PARTS).join(", ")}`);
  }
  if (names.length > 0) return { quick, names };
  return { quick, names: quick ? ["rust", "wasm", "functions", "protocols"] : Object.keys(PARTS) };
}

/** The fuzz targets, a workspace of their own: their seeds always, and that a fuzzer can be built in the full gate. */
async function fuzzTargets(quick) {
  const manifest = ["--manifest-path", "fuzz/Cargo.toml"];
  const own = [...manifest, "--target-dir", "target/fuzz", "--locked"];
  await report.step("the fuzz targets are formatted", "cargo", ["fmt", ...manifest, "--check"]);
  // The seeds run without libFuzzer, whose runtime is C++.
  await report.suite(
    "the fuzz targets' seeds hold",
    "cargo",
    ["test", ...own, "--no-default-features"],
    cargoTestCounts,
  );
  if (quick) return;
  const compilers = [process.env.CXX, "c++", "g++", "clang++"].filter(Boolean);
  const CXX = compilers.find((name) => spawnSync(name, ["--version"]).status === 0);
  if (CXX) {
    await report.step("the fuzz targets build", "cargo", ["build", ...own, "--bins"], { env: { CXX } });
  } else {
    report.skip("the fuzz targets build", `no C++ compiler for libFuzzer: tried ${compilers.join(", ")}`);
  }
}

/** The functions import the WASM module: a part that runs alone builds it first. */
async function needsCore() {
  if (coreIsBuilt) return;
  const built = await report.build("cargo", ["xtask", "build"]);
  if (!built) throw new Failure("the Rust core did not build; see above");
  coreIsBuilt = true;
}

/** A folder of tests on one or both levels of Deno. Types are checked once, on the newest. */
async function denoTests(levels, folder, { url, note, env: more } = {}) {
  for (const level of levels) {
    const args = ["test", "--no-check", "--allow-all", folder];
    const env = { ...(url && { TEST_DATABASE_URL: url }), ...more };
    const where = [`Deno ${level}`, note].filter(Boolean).join(", ");
    await report.suite(`${folder} (${where})`, await denoPath(level), args, denoCounts, { cwd: TESTS, env });
  }
}

async function startArguments() {
  const { freePort } = await import("./postgres.mjs");
  const port = async (name) => [`--${name}-port`, String(await freePort())];
  const ports = [await port("api"), await port("db"), await port("receiver")].flat();
  return [join(ROOT, "stack/start.mjs"), "--once", "--json", ...ports];
}

function nextestCounts(text) {
  const [, passed = 0] = /Summary .*?(\d+) passed/.exec(text) ?? [];
  const [, failed = 0] = /Summary .*?(\d+) failed/.exec(text) ?? [];
  return { passed: Number(passed), failed: Number(failed) };
}

function cargoTestCounts(text) {
  const sum = (what) =>
    [...text.matchAll(new RegExp(`(\\d+) ${what}`, "g"))].reduce((all, [, n]) => all + Number(n), 0);
  return { passed: sum("passed"), failed: sum("failed") };
}

function denoCounts(text) {
  const [, passed = 0, failed = 0] = /\| (\d+) passed.*? \| (\d+) failed/.exec(text) ?? [];
  return { passed: Number(passed), failed: Number(failed) };
}
