/**
 * What one statement of each kind takes on the table as it is. Prints a line of JSON: medians in milliseconds.
 *
 * @module
 */

import { type ClaimedRow, readSettings, type RowUpdate } from "../functions/_shared/core.ts";
import { connect, createStore } from "../functions/_shared/store.ts";

const TIMES = 9;
const CLAIMED = 50;

const sql = connect(Deno.args[0] ?? "");
const settings = readSettings(() => undefined);
const store = createStore(sql, settings);

const times: Record<string, number[]> = {};
for (let n = 0; n < TIMES; n++) {
  const endpoints = await timed("endpoints", store.endpoints);
  const allowances = endpoints.map(({ id }) => ({ id, most: 50, batch: 1, under_way: 0, quiet_ms: null }));
  // A new one has not looked at the queue yet.
  const first = await timed("look and claim", () => createStore(sql, settings).claim(CLAIMED, allowances));
  const rows = await timed("claim", () => store.claim(CLAIMED, allowances));
  for (const { length } of [first, rows]) {
    if (length !== CLAIMED) throw new Error(`claimed ${length} of ${CLAIMED}`);
  }
  const written = await timed("record", () => store.record(rows.map(deliveredOf)));
  if (written.length !== CLAIMED) throw new Error(`wrote ${written.length} of ${CLAIMED}`);
  await timed("health", store.healthFacts);
  await timed("figures", store.endpointFigures);
}
await sql.end();
console.log(
  JSON.stringify(Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)]))),
);

async function timed<T>(name: string, query: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await query();
  (times[name] ??= []).push(performance.now() - start);
  return result;
}

function deliveredOf({ id, attempt }: ClaimedRow): RowUpdate {
  return {
    id,
    attempt,
    status: "delivered",
    response_status: 200,
    response_body: '{"received":true}',
    error_message: null,
    disposition: "delivered",
  };
}

function median(values: number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? NaN;
}
