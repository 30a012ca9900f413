/** Real dispatcher processes on one table: side by side, and killed in the middle of their work. */

import assert from "node:assert/strict";
import type postgres from "postgres";
import {
  age,
  databaseTest,
  deliveries,
  insertDeliveries,
  insertEndpoint,
  type TestDatabase,
} from "../support/database.ts";
import { startFunction } from "../support/process.ts";
import { type Receiver, withReceiver } from "../support/receiver.ts";

const CONCURRENCY = 50;
const VARIABLES = {
  WEBHOOK_CONCURRENCY: String(CONCURRENCY),
  WEBHOOK_ENDPOINT_CONCURRENCY: String(CONCURRENCY),
};

/** Enough that a dispatcher fills its slots, though it sends an endpoint that it does not know yet only a few at once. */
const ENDPOINTS = 20;

/** Deliveries to the receiver, by way of many endpoints; returns their ids. */
async function insertMany(sql: TestDatabase["sql"], url: string, count: number): Promise<string[]> {
  const ids = [];
  for (let n = 0; n < ENDPOINTS; n++) {
    ids.push(...await insertDeliveries(sql, await insertEndpoint(sql, { url }), count / ENDPOINTS));
  }
  return ids;
}

const idsOf = (receiver: Receiver) => receiver.received.map((one) => one.headers.get("webhook-id")!);

databaseTest("two dispatchers share 2,000 deliveries, and each arrives once", async ({ url, sql }) => {
  // No answer before both are at work: so many requests at once are more than one of them sends.
  const bothAtWork = Promise.withResolvers<void>();
  const answer = async (_request: unknown, count: number) => {
    if (count > CONCURRENCY) bothAtWork.resolve();
    await bothAtWork.promise;
    return new Response();
  };
  await withReceiver(answer, async (receiver) => {
    const ids = await insertMany(sql, receiver.url, 2_000);
    const dispatchers = await Promise.all(
      [1, 2].map(() => startFunction("webhook-dispatcher", url, VARIABLES)),
    );
    try {
      const summaries = await Promise.all(dispatchers.map(async (one) => await (await one.call()).json()));
      assert.equal(
        summaries.reduce((sum, { processed }) => sum + processed, 0),
        2_000,
        JSON.stringify(summaries),
      );
      for (const { processed, failed } of summaries) assert(processed > 0 && failed === 0);
    } finally {
      for (const one of dispatchers) await one.end("SIGTERM");
    }
    assert.equal(receiver.received.length, 2_000);
    assert.deepEqual(new Set(idsOf(receiver)), new Set(ids));
    for (const row of await deliveries(sql)) assert.deepEqual([row.status, row.attempts], ["delivered", 1]);
  });
});

/** PostgreSQL ends a statement whose client has died before it notices that. */
async function allGone(sql: postgres.Sql): Promise<void> {
  while (true) {
    const left = await sql`
      select from pg_stat_activity
      where datname = current_database() and application_name = 'supabase-webhooks'`;
    if (left.length === 0) return;
  }
}

databaseTest(
  "what a killed dispatcher had under way is delivered after the lease, with the same id",
  async ({ url, sql }) => {
    // More than a dispatcher claims ahead.
    const total = 4_000;
    const answered = 120;
    let killed = false;
    const release = Promise.withResolvers<void>();
    // Some are answered, and some of those are not written yet when the kill comes; the rest hang.
    const answer = async (_request: unknown, count: number) => {
      if (!killed && count > answered) await release.promise;
      return new Response();
    };
    await withReceiver(answer, async (receiver) => {
      const ids = await insertMany(sql, receiver.url, total);
      const first = await startFunction("webhook-dispatcher", url, VARIABLES);
      const call = first.call().then(() => "answered", () => "broken off");
      await receiver.arrived(answered + CONCURRENCY / 2);
      await first.end("SIGKILL");
      assert.equal(await call, "broken off");
      killed = true;
      release.resolve();
      await allGone(sql);
      const rows = await deliveries(sql);
      const leased = rows.filter((row) => row.status === "pending" && row.attempts === 1).map((row) =>
        row.id
      );
      const untouched = rows.filter((row) => row.attempts === 0).length;
      assert(leased.length > 0 && untouched > 0, `${leased.length} leased, ${untouched} untouched`);

      const second = await startFunction("webhook-dispatcher", url, VARIABLES);
      try {
        // Within the lease, the rows of the killed one are left alone.
        const early = await (await second.call()).json();
        assert.equal(early.processed, untouched);
        await age(sql, "60 seconds");
        const late = await (await second.call()).json();
        assert.deepEqual([late.remaining, late.failed], [0, 0]);
      } finally {
        await second.end("SIGTERM");
      }
      assert((await deliveries(sql)).every((row) => row.status === "delivered"));
      const arrivals = idsOf(receiver);
      assert.deepEqual(new Set(arrivals), new Set(ids));
      const twice = arrivals.filter((id, at) => arrivals.indexOf(id) !== at);
      assert(twice.length > 0, "the kill came after everything was written");
      // Only what was sent and not written comes again, and only once.
      assert.equal(new Set(twice).size, twice.length);
      for (const id of twice) assert(leased.includes(id), id);
    });
  },
);
