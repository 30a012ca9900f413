/** `npm run bench -- latency` and `-- linger`: how long a single delivery waits, from its INSERT to the receiver. */

import { setTimeout as sleep } from "node:timers/promises";
import { createKeys } from "../stack/functions.mjs";
import { Failure, say } from "../stack/say.mjs";
import { startDatabase } from "./database.mjs";
import { quantile } from "./figures.mjs";
import { startKind } from "./kinds.mjs";
import { startReceiver } from "./receivers.mjs";
import { aligned } from "./tables.mjs";

const ENDPOINTS = 10;
const WARM_UP_ROWS = 200;
/** How long the system is left alone between two inserts, in milliseconds: from, to. */
const IDLE_MS = [100, 300];
/** Between two inserts while a call lingers. */
const LINGER_GAP_MS = [50, 950];
/** What is inserted later than that before the end may be left to the next call. */
const LINGER_MARGIN_MS = 4_000;

const GOALS = { p50: 15, p95: 30 };

/** One insert at a time on an idle system, and a call right after each. */
export async function latency(cleanup, options) {
  const { receiver, call, insert } = await start(cleanup, { ...options, budgetMs: 10_000 });
  const inserted = [];
  for (let n = 0; n < options.inserts; n++) {
    await sleep(between(IDLE_MS));
    inserted.push(await insert(n));
    await call({});
  }
  const waits = waitsOf(inserted, (await receiver.state()).receipts);
  const result = figuresOf(waits);
  const goals = Object.entries(GOALS).map(([name, most]) => ({
    name: `insert_to_receipt_${name}_ms`,
    median: result[`${name}_ms`],
    goal: `< ${most}`,
    reached: result[`${name}_ms`] < most,
  }));
  show("insert to receipt, idle and woken by a call", result, goals);
  return { ...result, goals };
}

/** Inserts at random moments while one call looks again and again. */
export async function linger(cleanup, options) {
  const { seconds } = options;
  if (1_000 * seconds <= LINGER_MARGIN_MS) throw new Failure("--seconds: expected more than 4");
  const { receiver, call, insert } = await start(cleanup, { ...options, budgetMs: 10_000 });
  const end = performance.now() + 1_000 * seconds;
  await call({ linger_s: seconds });
  const inserted = [];
  while (performance.now() < end - LINGER_MARGIN_MS) {
    await sleep(between(LINGER_GAP_MS));
    inserted.push(await insert(inserted.length));
  }
  while (performance.now() < end && (await receiver.state()).taken < inserted.length) await sleep(100);
  const { receipts } = await receiver.state();
  const result = { seconds, ...figuresOf(waitsOf(inserted, receipts)) };
  show(`insert to receipt, one call lingers for ${seconds} s`, result, []);
  return result;
}

async function start(cleanup, options) {
  const { onSpawn } = options;
  const database = await startDatabase(cleanup, options);
  const receiver = await startReceiver(cleanup, { onSpawn });
  const urls = Array.from({ length: ENDPOINTS }, (_, at) => receiver.url(0, at));
  const endpoints = await database.replaceEndpoints(urls);
  const ours = { ...options, databaseUrl: database.url, keys: createKeys(), urls, bytes: 1_024 };
  const { call } = await startKind(cleanup, "ours", ours);
  await database.fill({ rows: WARM_UP_ROWS, bytes: 1_024, endpoints });
  await call({});
  await receiver.reset({ note: true });
  const insert = async (n) => {
    const at = performance.timeOrigin + performance.now();
    const [{ id }] = await database.sql`
      insert into public.webhook_deliveries (webhook_config_id, event_type, payload)
      values (${
      endpoints[n % ENDPOINTS]
    }, 'bench', jsonb_build_object('event', 'bench', 'data', ${n}::integer))
      returning id`;
    return { id, at };
  };
  return { receiver, call, insert };
}

/** From just before the INSERT was sent to the first bytes at the receiver, in milliseconds. */
function waitsOf(inserted, receipts) {
  const came = new Map(receipts.map(({ id, at }) => [id, at]));
  return inserted.map(({ id, at }) => {
    if (!came.has(id)) throw new Failure(`delivery ${id} never came`);
    return came.get(id) - at;
  });
}

function figuresOf(waits) {
  const at = (part) => Number(quantile(waits, part).toFixed(1));
  return { inserts: waits.length, p50_ms: at(0.5), p95_ms: at(0.95), most_ms: at(1) };
}

function show(what, { inserts, p50_ms, p95_ms, most_ms }, goals) {
  say("");
  console.log(aligned([
    [what, "inserts", "p50", "p95", "longest"],
    ["", String(inserts), `${p50_ms} ms`, `${p95_ms} ms`, `${most_ms} ms`],
  ]));
  for (const { name, goal, reached } of goals) {
    console.log(`${name} ${goal}: ${reached ? "reached" : "not reached"}`);
  }
}

function between([least, most]) {
  return least + Math.random() * (most - least);
}
