/** Failed deliveries are put back: which, how many, and never more than was meant. */

import assert from "node:assert/strict";
import type postgres from "postgres";
import { createHandler } from "../../functions/webhook-dispatcher/handler.ts";
import {
  databaseTest,
  deliveries,
  insertDeliveries,
  insertEndpoint,
  type TestDatabase,
} from "../support/database.ts";
import { withReceiver } from "../support/receiver.ts";
import { post, testRuntime } from "../support/runtime.ts";

async function call(database: TestDatabase, body: unknown) {
  const answer = await createHandler(testRuntime(database))(post(body));
  return { status: answer.status, body: await answer.json() };
}

async function fail(sql: postgres.Sql): Promise<void> {
  await sql`update public.webhook_deliveries set status = 'failed', attempts = 16, last_attempt_at = now(),
    error_message = 'HTTP 500; gave up after attempt 16', response_status = 500`;
}

databaseTest("what failed is sent again, with the same id and payload", async (database) => {
  const { sql } = database;
  await withReceiver(undefined, async (receiver) => {
    const endpoint = await insertEndpoint(sql, { url: receiver.url });
    const ids = await insertDeliveries(sql, endpoint, 3);
    await fail(sql);
    const counted = await call(database, { replay: { endpoint_id: endpoint, dry_run: true } });
    assert.equal(counted.status, 200);
    assert.deepEqual(counted.body.replay, { matched: 3, switched_off: 0, replayed: 0, dry_run: true });
    assert.deepEqual([receiver.received.length, counted.body.total], [0, 0]);
    assert(
      (await deliveries(sql)).every(({ status, error_message }) => status === "failed" && error_message),
    );

    const { body } = await call(database, { replay: { endpoint_id: endpoint, limit: 2 } });
    assert.deepEqual(body.replay, { matched: 3, switched_off: 0, replayed: 2, dry_run: false });
    assert.deepEqual([body.processed, body.remaining], [2, 0]);
    const arrived = receiver.received.map(({ headers }) => headers.get("webhook-id"));
    assert.deepEqual(arrived.toSorted(), ids.slice(0, 2).toSorted());
    assert.equal((await call(database, { replay: { ids } })).body.replay.replayed, 1);
    const rows = await deliveries(sql);
    assert(rows.every(({ status, attempts }) => status === "delivered" && attempts === 1));
    assert.equal((await call(database, { replay: { ids } })).body.replay.matched, 0);
  });
});

databaseTest("conditions are met together", async (database) => {
  const { sql } = database;
  const [one, other] = [
    await insertEndpoint(sql, { url: "https://a.example/" }),
    await insertEndpoint(sql, { url: "https://b.example/" }),
  ];
  const ids = [...await insertDeliveries(sql, one, 2), ...await insertDeliveries(sql, other, 2)];
  await fail(sql);
  await sql`update public.webhook_deliveries set created_at = '2026-01-29T10:00:00Z', event_type = 'order.sent'
    where id = ${ids[0]!}`;
  await sql`update public.webhook_deliveries set status = 'delivered' where id = ${ids[3]!}`;
  const matched = async (replay: Record<string, unknown>) =>
    (await call(database, { replay: { ...replay, dry_run: true } })).body.replay.matched;
  assert.equal(await matched({ ids }), 3);
  assert.equal(await matched({ ids: [ids[0], ids[2]], endpoint_id: one }), 1);
  assert.equal(await matched({ event_type: "order.sent" }), 1);
  assert.equal(await matched({ event_type: "order.paid" }), 2);
  assert.equal(await matched({ from: "2026-01-29T11:00:00+01:00", to: "2026-01-29T10:00:01Z" }), 1);
  assert.equal(await matched({ to: "2026-01-29T10:00:00Z" }), 0);
  assert.equal(await matched({ from: "2026-01-29T10:00:01Z" }), 2);
  await sql`update public.webhook_configurations set is_active = false where id = ${one}`;
  const { replay } = (await call(database, { replay: { ids, dry_run: true } })).body;
  assert.deepEqual([replay.matched, replay.switched_off], [1, 2]);
});

databaseTest("a replay that is not understood changes nothing and says what is wrong", async (database) => {
  const { sql } = database;
  await insertDeliveries(sql, await insertEndpoint(sql, { url: "https://a.example/" }), 2);
  await fail(sql);
  const cases: [unknown, string, RegExp][] = [
    [{}, "unbounded_replay", /^replay: name some deliveries by/],
    [{ endpoint: "x" }, "unknown_field", /^replay\.endpoint: unknown field/],
    [{ ids: ["x"] }, "invalid_field", /^replay\.ids: expected a list of 1 to 10000 UUIDs/],
    [
      { from: "2026-02-31T00:00:00Z" },
      "invalid_field",
      /^replay\.from, replay\.to: date\/time field value out of range/,
    ],
  ];
  for (const [replay, code, message] of cases) {
    const { status, body } = await call(database, { replay });
    assert.deepEqual([status, body.error.code], [400, code]);
    assert.match(body.error.message, message);
  }
  assert((await deliveries(sql)).every(({ status }) => status === "failed"));
});

databaseTest("replays at once put each delivery back once", async (database) => {
  const { sql, store } = database;
  await insertDeliveries(sql, await insertEndpoint(sql, { url: "https://a.example/" }), 50);
  await fail(sql);
  const all = { ids: null, endpointId: null, eventType: "order.paid", from: null, to: null, limit: 1_000 };
  const runs = await Promise.all([1, 2, 3].map(() => store.replay({ ...all, dryRun: false })));
  assert.equal(runs.reduce((sum, { replayed }) => sum + replayed, 0), 50);
});
