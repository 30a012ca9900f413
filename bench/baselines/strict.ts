/**
 * Idealised TypeScript in strict batches: claim 500, send them 100 at a time, write all results in one statement, and
 * only then claim the next. It has no time-outs, caps, breaker or address policy.
 *
 * @module
 */

import { CONCURRENCY, send, taken } from "./send.ts";
import { serve, variable } from "./serve.ts";
import { openTable, type Result, type Row } from "./table.ts";

const { claim, record } = openTable(variable("SUPABASE_DB_URL"));

serve(async (_call, isOver) => {
  let delivered = 0;
  while (!isOver()) {
    const rows = await claim();
    if (rows.length === 0) break;
    const results = await sendAll(rows);
    await record(results);
    delivered += taken(results);
  }
  return delivered;
});

async function sendAll(rows: Row[]): Promise<Result[]> {
  const results: Result[] = [];
  const waiting = rows.values();
  const slot = async () => {
    for (const row of waiting) results.push(await send(row));
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, slot));
  return results;
}
