/** What the tables say of endpoints: what they are owed, how they fare, and what ends them. */

import assert from "node:assert/strict";
import type postgres from "postgres";
import type { EndpointFacts, RowUpdate } from "../../functions/_shared/core.ts";
import {
  age,
  claim,
  databaseTest,
  deliveries,
  insertDeliveries,
  insertEndpoint,
  type TestDatabase,
} from "../support/database.ts";

const URL = "https://a.example/hook";

async function factsOf({ store }: Pick<TestDatabase, "store">, id: string): Promise<EndpointFacts> {
  const facts = await store.endpoints();
  return facts.find((one) => one.id === id)!;
}

interface Columns {
  status?: string;
  attempts?: number;
  error?: string | null;
  response?: number | null;
  ago?: string;
  createdAgo?: string;
}

async function insert(sql: postgres.Sql, endpoint: string, columns: Columns): Promise<void> {
  const { status = "pending", attempts = 1, error = "HTTP 500", response = 500, ago = "1 minute" } = columns;
  await sql`
    insert into public.webhook_deliveries
      (webhook_config_id, event_type, payload, status, attempts, error_message, response_status, created_at, last_attempt_at)
    values (${endpoint}, 'order.paid', '{}', ${status}, ${attempts}, ${error}, ${response},
      now() - ${columns.createdAgo ?? "1 hour"}::text::interval, now() - ${ago}::text::interval)`;
}

function near(actual: number | null, expected: number): void {
  assert(actual !== null && Math.abs(actual - expected) < 5_000, `${actual} is not near ${expected}`);
}

databaseTest("each endpoint that is owed something is told, with what it is owed", async (database) => {
  const { sql } = database;
  const endpoint = await insertEndpoint(sql, { url: URL });
  const off = await insertEndpoint(sql, { url: URL, is_active: false });
  const owedNothing = await insertEndpoint(sql, { url: URL });
  await insertDeliveries(sql, endpoint, 5);
  await insertDeliveries(sql, off, 1);
  await insert(sql, owedNothing, { status: "delivered", error: null });
  await claim(database, 0);
  await database.store.claim(2, [{ id: endpoint, most: 2, batch: 1, under_way: 0, quiet_ms: null }]);
  await insert(sql, endpoint, { ago: "0 seconds", error: "HTTP 500; attempt 1 of 16, next in 30 s" });
  const { next_due_in_ms, last_failure_ago_ms, ...facts } = await factsOf(database, endpoint);
  assert.deepEqual(facts, {
    id: endpoint,
    url: URL,
    is_active: true,
    due: 3,
    under_way: 2,
    failures: 1,
    paused_for_ms: 0,
  });
  near(next_due_in_ms, 30_000);
  near(last_failure_ago_ms, 0);
  assert.equal((await factsOf(database, off)).is_active, false);
  assert.equal(await factsOf(database, owedNothing), undefined);
});

databaseTest("failures are counted since the last success, whoever made them", async (database) => {
  const { sql } = database;
  const endpoint = await insertEndpoint(sql, { url: URL });
  await insertDeliveries(sql, endpoint, 1);
  const failures = async () => (await factsOf(database, endpoint)).failures;
  await insert(sql, endpoint, { attempts: 3, ago: "2 minutes" });
  assert.equal(await failures(), 3);
  // What is under way has lost its message, not its failures.
  await insert(sql, endpoint, { attempts: 3, error: null, response: null, ago: "1 second" });
  assert.equal(await failures(), 5);
  // None of these speaks against the receiver.
  await insert(sql, endpoint, { status: "failed", error: "not sent: url: is empty", response: null });
  await insert(sql, endpoint, { error: "HTTP 429; attempt 1 of 16, next in 2 s", response: 429 });
  await insert(sql, endpoint, { status: "failed", ago: "2 hours", attempts: 9 });
  assert.equal(await failures(), 5);
  await insert(sql, endpoint, { status: "failed", ago: "3 minutes", attempts: 4 });
  assert.equal(await failures(), 9);
  // After a success, older rows that are under way speak against nobody yet.
  await insert(sql, endpoint, { status: "delivered", error: null, response: 200, ago: "30 seconds" });
  assert.equal(await failures(), 0);
  // Of those that have failed since, only the last attempt is known to have come after it.
  await insert(sql, endpoint, { attempts: 4, ago: "10 seconds" });
  assert.equal(await failures(), 1);
  await insert(sql, endpoint, { status: "delivered", error: null, response: 200, ago: "0 seconds" });
  assert.equal(await failures(), 0);
});

databaseTest("a wish to be left alone outlives the dispatcher that heard it", async (database) => {
  const { sql } = database;
  const endpoint = await insertEndpoint(sql, { url: URL });
  const error =
    "HTTP 429, asked to wait 60 s; trace 4bf92f3577b34da6a3ce929d0e0e4736; attempt 1 of 16, next in 60 s";
  await insert(sql, endpoint, { error, response: 429, ago: "20 seconds" });
  near((await factsOf(database, endpoint)).paused_for_ms, 40_000);
  await age(sql, "50 seconds");
  assert.equal((await factsOf(database, endpoint)).paused_for_ms, 0);
});

databaseTest("recent attempts are counted for the rate, whoever made them", async ({ sql, store }) => {
  const endpoint = await insertEndpoint(sql, { url: URL });
  await insert(sql, endpoint, { ago: "10 seconds" });
  await insert(sql, endpoint, { status: "delivered", error: null, ago: "30 seconds" });
  await insert(sql, endpoint, { ago: "2 minutes" });
  const windows = [{ id: endpoint, window_ms: 60_000 }];
  assert.deepEqual([...await store.recentAttempts(windows)], [{ id: endpoint, recent: 2 }]);
});

databaseTest(
  "an endpoint that is gone is switched off, and what it is owed ends with a reason",
  async (database) => {
    const { sql, store } = database;
    const gone = await insertEndpoint(sql, { url: URL });
    const other = await insertEndpoint(sql, { url: URL });
    const [underWay] = await insertDeliveries(sql, gone, 3);
    await insertDeliveries(sql, other, 1);
    await store.claim(1, [{ id: gone, most: 1, batch: 1, under_way: 0, quiet_ms: null }]);
    await insert(sql, gone, { attempts: 2 });
    // Somebody has given it another URL since.
    assert.deepEqual([...await store.retire([{ id: gone, url: "https://old.example/" }])], []);
    assert.deepEqual([...await store.retire([{ id: gone, url: URL }])], [gone]);
    const [{ is_active }] = await sql<[{ is_active: boolean }]>`
    select is_active from public.webhook_configurations where id = ${gone}`;
    assert.equal(is_active, false);
    const rows = await deliveries(sql);
    const ended = rows.filter(({ status }) => status === "failed");
    assert.equal(ended.length, 3);
    for (const { error_message } of ended) {
      assert.equal(
        error_message,
        "not sent: endpoint: answered HTTP 410 Gone and was switched off; set is_active, then replay",
      );
    }
    const pending = rows.filter(({ status }) => status === "pending").map(({ id }) => id);
    assert.equal(pending.length, 2);
    assert(pending.includes(underWay!));
  },
);

databaseTest("odd times stop nothing", async (database) => {
  const { sql, store } = database;
  const endpoint = await insertEndpoint(sql, { url: URL });
  const ids = await insertDeliveries(sql, endpoint, 6);
  const odd = ["infinity", "-infinity", "294276-12-31 23:59:59.9"];
  for (const [at, time] of odd.entries()) {
    await sql`update public.webhook_deliveries set created_at = ${time}::text::timestamptz where id = ${ids[
      at
    ]!}`;
    await sql`update public.webhook_deliveries
      set attempts = 7, error_message = 'HTTP 503, asked to wait 9 s; next in 9 s', response_status = 503,
        last_attempt_at = ${time}::text::timestamptz where id = ${ids[3 + at]!}`;
  }
  const facts = await factsOf(database, endpoint);
  // They are due like others, rather than to wait for ever.
  assert.deepEqual([facts.due, facts.next_due_in_ms], [6, null]);
  assert.equal((await claim(database, 10)).length, 6);
  assert.equal((await store.healthFacts()).pending, 6);
});

databaseTest("a result that comes after its endpoint is gone is written all the same", async (database) => {
  const { sql, store } = database;
  const gone = await insertEndpoint(sql, { url: URL });
  const [id] = await insertDeliveries(sql, gone, 1);
  await claim(database, 1);
  await store.retire([{ id: gone, url: URL }]);
  const update: RowUpdate = {
    id: id!,
    attempt: 1,
    status: "delivered",
    disposition: "delivered",
    response_status: 200,
    response_body: "ok",
    error_message: null,
  };
  assert.deepEqual(await store.record([update]), [id]);
});
