/** `npm run bench -- growth`: what the statements take as history grows, and the memory of a run over a long queue. */

import { join } from "node:path";
import { createKeys } from "../stack/functions.mjs";
import { output, ROOT } from "../stack/processes.mjs";
import { DENO_ENV } from "../stack/programs.mjs";
import { Failure, say } from "../stack/say.mjs";
import { settle, startDatabase } from "./database.mjs";
import { startKind } from "./kinds.mjs";
import { startReceiver } from "./receivers.mjs";
import { aligned } from "./tables.mjs";
import { peakMiB } from "./usage.mjs";

const HISTORIES = [10_000, 100_000, 1_000_000, 5_000_000];
const BY_DEFAULT = 1_000_000;
const DUE = 1_000;
const LONG_QUEUE = 100_000;
/** An envelope's, in bytes: of history only the size of the table counts. */
const BYTES = 512;
const ENDPOINTS = 10;
/** How long the run over the long queue may take, in milliseconds: as a hosted function's on the free plan. */
const RUN_MS = 120_000;
/**
 * V8 collects when it has to. Where it may take gigabytes it lets garbage lie; a hosted isolate has 256 MB in all, so that its heap
 * is bound to less.
 */
const HEAP_MB = 64;
/** Over how much time a history is spread. */
const DAYS = 60;

export async function growth(cleanup, options) {
  const most = options.rows ?? BY_DEFAULT;
  const database = await startDatabase(cleanup, options);
  const receiver = await startReceiver(cleanup, options);
  const urls = Array.from({ length: ENDPOINTS }, (_, at) => receiver.url(0, at));
  const endpoints = await database.replaceEndpoints(urls);
  const histories = [];
  for (const history of [...HISTORIES.filter((rows) => rows < most), most]) {
    await database.fill({ rows: DUE, bytes: BYTES, endpoints });
    await insertHistory(database.sql, history, endpoints);
    histories.push({ history, ms: await probe(options.deno, database.url) });
    say(`${history} rows: ${JSON.stringify(histories.at(-1).ms)}`);
  }
  const queues = [];
  for (const heapMb of [null, HEAP_MB]) {
    queues.push(await longQueue(cleanup, { options, database, receiver, endpoints, urls, heapMb }));
  }
  const names = Object.keys(histories[0].ms);
  console.log(aligned([
    ["rows of history", ...names.map((name) => `${name}, ms`)],
    ...histories.map(({ history, ms }) => [String(history), ...names.map((name) => ms[name].toFixed(1))]),
  ]));
  for (const { delivered, seconds, peak_mib, heap_mb } of queues) {
    const heap = heap_mb === null ? "the engine's own bound for its heap" : `a heap of at most ${heap_mb} MB`;
    const memory = `at most ${peak_mib ?? "?"} MiB of memory`;
    console.log(`\n${delivered} of ${LONG_QUEUE} due in ${seconds.toFixed(1)} s; ${memory}, with ${heap}`);
  }
  return { histories, queues };
}

/** Delivered, evenly over the last sixty days. */
async function insertHistory(sql, rows, endpoints) {
  say(`inserting ${rows} rows of history`);
  await sql`
    insert into public.webhook_deliveries
      (webhook_config_id, event_type, payload, status, attempts, last_attempt_at, response_status, response_body, created_at)
    select (${`{${endpoints.join(",")}}`}::text::uuid[])[n % ${endpoints.length} + 1], 'bench',
      jsonb_build_object('event', 'bench', 'data', jsonb_build_object('n', n), 'request_id', gen_random_uuid()),
      'delivered', 1, at + interval '1 second', 200, '{"received":true}', at
    from generate_series(1, ${rows}::integer) n,
      lateral (select now() - interval '1 minute' - n * interval '1 day' * ${DAYS}::float8 / ${rows}::float8 as at)`;
  await settle(sql);
}

async function probe(deno, databaseUrl) {
  const program = join(ROOT, "bench/growth.ts");
  const args = ["run", "--no-prompt", "--allow-env", "--allow-net", program, databaseUrl];
  const { status, text } = await output(deno, args, { env: { ...process.env, ...DENO_ENV } });
  if (status !== 0) throw new Failure(`bench/growth.ts failed:\n${text.trim()}`);
  return JSON.parse(text.trim().split("\n").at(-1));
}

/** One call over many due rows, in a new process. */
async function longQueue(cleanup, { options, database, receiver, endpoints, urls, heapMb }) {
  say(`delivering ${LONG_QUEUE} due rows`);
  await database.fill({ rows: LONG_QUEUE, bytes: 1_024, endpoints });
  await receiver.reset();
  const env = heapMb === null ? {} : { DENO_V8_FLAGS: `--max-heap-size=${heapMb}` };
  const started = { ...options, databaseUrl: database.url, keys: createKeys(), budgetMs: RUN_MS, urls, env };
  const { pid, call } = await startKind(cleanup, "ours", { ...started, bytes: 1_024 });
  const start = performance.now();
  const { processed } = await call({});
  const seconds = (performance.now() - start) / 1_000;
  return { delivered: processed, due: LONG_QUEUE, seconds, peak_mib: peakMiB(pid), heap_mb: heapMb };
}
