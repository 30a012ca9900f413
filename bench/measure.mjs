/** Kinds in turn under the same conditions: A B C, A B C, … */

import { loadavg } from "node:os";
import { Cleanup } from "../stack/cleanup.mjs";
import { createKeys } from "../stack/functions.mjs";
import { Failure, say } from "../stack/say.mjs";
import { SLOW_MS } from "./cells.mjs";
import { makeCertificates } from "./certificates.mjs";
import { startDatabase } from "./database.mjs";
import { KINDS, startKind } from "./kinds.mjs";
import { startReceiver } from "./receivers.mjs";
import { cpuMs } from "./usage.mjs";

/** After so many deliveries at no latency a process is warm. */
const WARM_UP_ROWS = 5_000;
const WARM_UP_BYTES = 1_024;
/** How long a call goes on, in milliseconds. One after the other, it makes no difference. */
const BUDGET_MS = 10_000;
const QUICK_NAIVE_BUDGET_MS = 4_000;

/**
 * @param {Cleanup} cleanup
 * @param {{ cells: import("./cells.mjs").Cell[], kindsOf: (cell: import("./cells.mjs").Cell) => string[],
 *   rounds: number, quick: boolean, deno: string, onSpawn: (pid: number, folder?: string) => Promise<void> }} options
 * @returns {Promise<{ cell: import("./cells.mjs").Cell, kinds: string[], rounds: import("./figures.mjs").Rounds,
 *   load: number }[]>} `load`: the highest load average of a minute, before a measurement
 */
export async function measureAll(cleanup, options) {
  const database = await startDatabase(cleanup, options);
  const keys = createKeys();
  const results = [];
  for (const cell of options.cells) {
    const own = new Cleanup();
    await cleanup.add(() => own.run());
    try {
      results.push(await measureCell(own, cell, { ...options, database, keys }));
    } finally {
      await own.run();
    }
  }
  return results;
}

async function measureCell(cleanup, cell, options) {
  const { database, kindsOf, onSpawn } = options;
  const kinds = kindsOf(cell);
  const certificates = cell.tls ? await makeCertificates(cleanup) : undefined;
  const receiver = await startReceiver(cleanup, { certificates, onSpawn });
  const bench = { cell, database, receiver };
  const processes = new Map();
  for (const kind of kinds) {
    const isShort = options.quick && kind === "naive";
    const started = {
      ...options,
      databaseUrl: database.url,
      budgetMs: isShort ? QUICK_NAIVE_BUDGET_MS : BUDGET_MS,
      certificates,
      urls: urlsOf(cell, receiver),
      bytes: cell.bytes,
    };
    const process = { ...(await startKind(cleanup, kind, started)), kind, budgetMs: started.budgetMs };
    processes.set(kind, process);
    await warmUp(process, bench);
  }
  const rounds = [];
  let load = 0;
  for (let round = 1; round <= options.rounds; round++) {
    const measured = {};
    for (const [kind, process] of processes) {
      load = Math.max(load, loadavg()[0]);
      measured[kind] = await measure(process, bench);
      say(lineOf(cell, round, kind, measured[kind]));
    }
    rounds.push(measured);
  }
  return { cell, kinds, rounds, load };
}

async function warmUp({ call }, { database, receiver }) {
  const endpoints = await database.replaceEndpoints([receiver.url(0, "warm-up")]);
  await database.fill({ rows: WARM_UP_ROWS, bytes: WARM_UP_BYTES, endpoints });
  await call({ rows: WARM_UP_ROWS });
}

/** One call, to its end. Endpoints are new each time: nobody knows how they fare. */
async function measure({ kind, pid, call, budgetMs }, { cell, database, receiver }) {
  const ids = await database.replaceEndpoints(urlsOf(cell, receiver));
  const slow = cell.isSlowMix ? ids.pop() : undefined;
  await database.fill({ ...cell, endpoints: ids, slow });
  await receiver.reset();
  const before = usage(pid, database, receiver);
  const start = performance.now();
  const { processed } = await call({ rows: cell.rows });
  const ms = performance.now() - start;
  const after = usage(pid, database, receiver);
  const isCut = ms >= budgetMs;
  const counted = {
    processed,
    ...(kind !== "database" && { taken: (await receiver.state()).taken }),
    ...(!KINDS[kind].isCeiling && { written: await database.delivered() }),
  };
  check(kind, cell, counted, isCut);
  const each = (part) => (1_000 * (after[part] - before[part])) / processed;
  return {
    rate: processed / (ms / 1_000),
    seconds: ms / 1_000,
    delivered: processed,
    isCut,
    cpu: { own: each("own"), postgres: each("postgres"), receiver: each("receiver") },
  };
}

/** Who delivers fast and loses something is not measured. */
function check(kind, cell, counted, isCut) {
  const figures = Object.values(counted);
  const isWhole = isCut ? figures[0] > 0 : figures[0] === cell.rows;
  if (isWhole && figures.every((figure) => figure === figures[0])) return;
  throw new Failure(`${cell.name}, ${kind}: of ${cell.rows} deliveries ${JSON.stringify(counted)}`);
}

function usage(pid, database, receiver) {
  return { own: cpuMs(pid), postgres: cpuMs(database.pid), receiver: cpuMs(receiver.pid) };
}

/** The slow one comes last. */
function urlsOf({ endpoints, latencyMs, isSlowMix }, receiver) {
  const urls = Array.from({ length: endpoints }, (_, at) => receiver.url(latencyMs, at));
  return isSlowMix ? [...urls, receiver.url(SLOW_MS, "slow")] : urls;
}

function lineOf({ name }, round, kind, { rate, seconds, cpu, isCut }) {
  const cut = isCut ? ", cut off" : "";
  const took = `${Math.round(rate)}/s in ${seconds.toFixed(1)} s${cut}`;
  return `${name} round ${round}: ${kind} ${took}; CPU ms for 1,000: ${Math.round(cpu.own)}, PostgreSQL ${
    Math.round(cpu.postgres)
  }, receiver ${Math.round(cpu.receiver)}`;
}
