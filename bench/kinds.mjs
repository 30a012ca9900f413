/** What is measured, and how it is started. */

import { mkdir } from "node:fs/promises";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { functionEnv, startFunction, startProgram } from "../stack/functions.mjs";
import { ROOT } from "../stack/processes.mjs";
import { Failure } from "../stack/say.mjs";

/** Programs that are called until nothing is due. Ceilings make requests, or statements, and no deliveries. */
export const KINDS = {
  naive: { what: "one after the other, as users have it", program: "baselines/naive.ts" },
  strict: { what: "idealised TypeScript, strict batches", program: "baselines/strict.ts" },
  pipelined: { what: "idealised TypeScript, pipelined", program: "baselines/pipelined.ts" },
  ours: { what: "functions/webhook-dispatcher" },
  fetch: { what: "fetch alone", program: "ceilings/fetch.ts", isCeiling: true },
  node_http: { what: "node:http alone", program: "ceilings/node_http.ts", isCeiling: true },
  transport: { what: "our transport alone", program: "ceilings/transport.ts", isCeiling: true },
  http: { what: "pipelined, without a database", program: "ceilings/http.ts", isCeiling: true },
  database: { what: "pipelined, without HTTP", program: "ceilings/database.ts", isCeiling: true },
};

export const CONCURRENCY = 100;

/**
 * Starts a kind in a process of its own.
 *
 * @param {import("../stack/cleanup.mjs").Cleanup} cleanup
 * @param {keyof typeof KINDS} name
 * @param {{ deno: string, databaseUrl: string, keys: { secretKey: string, serviceRoleKey: string }, budgetMs: number,
 *   certificates?: { caFile: string, ca: string }, urls: string[], bytes: number, env?: Record<string, string>, onSpawn: (pid: number) => Promise<void> }} options
 *   `budgetMs`: how long a call goes on; `env`: more variables
 * @returns {Promise<{ pid: number, call: (body: object) => Promise<object> }>} `call`: one run, to its end
 */
export async function startKind(cleanup, name, options) {
  const { deno, databaseUrl, keys, budgetMs, certificates, urls, bytes, onSpawn, env } = options;
  const logs = join(ROOT, ".local/logs");
  await mkdir(logs, { recursive: true });
  const log = createWriteStream(join(logs, `bench-${name}.log`), { flags: "a" });
  await cleanup.add(() => log.end());
  let pid;
  const started = {
    deno,
    env: {
      ...functionEnv({ databaseUrl, keys }),
      WEBHOOK_CONCURRENCY: String(CONCURRENCY),
      WEBHOOK_TIME_BUDGET: `${budgetMs}ms`,
      BENCH_BUDGET_MS: String(budgetMs),
      BENCH_URLS: JSON.stringify(urls),
      BENCH_BYTES: String(bytes),
      ...(certificates && { DENO_CERT: certificates.caFile, BENCH_CA: certificates.ca }),
      ...env,
    },
    onLine: (line) => log.write(`${line}\n`),
    onSpawn: (spawned) => {
      pid = spawned;
      return onSpawn(spawned);
    },
  };
  const { program } = KINDS[name];
  const port = program
    ? await startProgram(cleanup, name, join(ROOT, "bench", program), started)
    : await startFunction(cleanup, "webhook-dispatcher", started);
  const call = async (body) => {
    const response = await fetch(`http://127.0.0.1:${port}/`, {
      method: "POST",
      headers: { apikey: keys.secretKey },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Failure(`${name} answered ${response.status}: ${text}; see ${logs}`);
    return JSON.parse(text);
  };
  return { pid, call };
}
