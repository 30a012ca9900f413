/** The claim and the record: leases, delays, two dispatchers at once. */

import assert from "node:assert/strict";
import { createStore } from "../../functions/_shared/store.ts";
import { testSettings } from "../support/settings.ts";
import type { RowUpdate } from "../../functions/_shared/core.ts";
import {
  age,
  claim,
  databaseTest,
  deliveries,
  insertDeliveries,
  insertEndpoint,
} from "../support/database.ts";

const URL = "https://a.example/hook";

function delivered(id: string, attempt = 1): RowUpdate {
  const answer = { response_status: 200, response_body: "ok", error_message: null };
  return { id, attempt, status: "delivered", disposition: "delivered", ...answer };
}

function failed(id: string, attempt = 1): RowUpdate {
  const answer = { response_status: 500, response_body: "no", error_message: "HTTP 500" };
  return { id, attempt, status: "pending", disposition: "retrying", ...answer };
}

databaseTest(
  "a claim takes the oldest first, counts the attempt and gives the payload's text",
  async ({ sql, store }) => {
    const endpoint = await insertEndpoint(sql, { url: URL, secret_key: "secret" });
    const [first, second] = await insertDeliveries(sql, endpoint, 3);
    await sql`update public.webhook_deliveries
    set payload = '{"n": 12345678901234567890, "d": 1.10}' where id = ${first!}`;
    const rows = await claim({ store }, 2);
    assert.deepEqual(rows.map((row) => row.id), [first, second]);
    const { id: _id, created_at, before: _before, ...columns } = rows[0]!;
    assert.match(created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    assert.deepEqual(columns, {
      event_type: "order.paid",
      payload: '{"d": 1.10, "n": 12345678901234567890}',
      attempt: 1,
      endpoint_id: endpoint,
      url: URL,
      secret_key: "secret",
      is_active: true,
    });
    const table = await deliveries(sql);
    assert.deepEqual(table.map((row) => [row.attempts, row.status, row.last_attempt_at !== null]), [
      [1, "pending", true],
      [1, "pending", true],
      [0, "pending", false],
    ]);
  },
);

databaseTest("what is claimed is not claimed again before its lease ends", async ({ sql, store }) => {
  const [id] = await insertDeliveries(sql, await insertEndpoint(sql, { url: URL }));
  assert.equal((await claim({ store }, 10)).length, 1);
  assert.equal((await claim({ store }, 10)).length, 0);
  await age(sql, "59 seconds");
  assert.equal((await claim({ store }, 10)).length, 0);
  await age(sql, "1 second");
  const again = await claim({ store }, 10);
  assert.deepEqual(again.map((row) => [row.id, row.attempt]), [[id, 2]]);
});

databaseTest("a failed attempt waits for the delay of its number", async ({ sql, store }) => {
  const [id] = await insertDeliveries(sql, await insertEndpoint(sql, { url: URL }));
  const delays = [2, 4, 8, 16, 32, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 28_800, 28_800, 28_800];
  for (const [at, seconds] of delays.entries()) {
    const attempt = at + 1;
    assert.deepEqual((await claim({ store }, 10)).map((row) => row.attempt), [attempt]);
    assert.deepEqual(await store.record([failed(id!, attempt)]), [id]);
    await age(sql, `${seconds - 1} seconds`);
    assert.equal((await claim({ store }, 10)).length, 0, `attempt ${attempt} came too early`);
    await age(sql, "1 second");
  }
});

databaseTest("an admin's reset is due at once", async ({ sql, store }) => {
  const [id] = await insertDeliveries(sql, await insertEndpoint(sql, { url: URL }));
  await claim({ store }, 10);
  await store.record([{ ...failed(id!), status: "failed" }]);
  assert.equal((await claim({ store }, 10)).length, 0);
  await sql`update public.webhook_deliveries set status = 'pending', attempts = 0`;
  assert.deepEqual((await claim({ store }, 10)).map((row) => row.attempt), [1]);
});

databaseTest("only pending rows are claimed", async ({ sql, store }) => {
  await insertDeliveries(sql, await insertEndpoint(sql, { url: URL }), 3);
  await sql`update public.webhook_deliveries set status = (array['delivered', 'failed', 'paused'])[
    1 + extract(microseconds from created_at)::integer % 3]`;
  assert.equal((await claim({ store }, 10)).length, 0);
});

databaseTest("claims at once share the rows between them", async ({ sql, store }) => {
  const ids = await insertDeliveries(sql, await insertEndpoint(sql, { url: URL }), 400);
  const claims = await Promise.all(Array.from({ length: 16 }, () => claim({ store }, 25)));
  const claimed = claims.flat().map((row) => row.id);
  assert.equal(new Set(claimed).size, claimed.length);
  const rest = await claim({ store }, 400);
  assert.deepEqual(new Set([...claimed, ...rest.map((row) => row.id)]), new Set(ids));
  assert.equal(claimed.length + rest.length, 400);
});

databaseTest("a row that somebody else holds is passed over, not waited for", async ({ sql, store }) => {
  const [held, free] = await insertDeliveries(sql, await insertEndpoint(sql, { url: URL }), 2);
  await sql.begin(async (tx) => {
    await tx`select from public.webhook_deliveries where id = ${held!} for update`;
    assert.deepEqual((await claim({ store }, 10)).map((row) => row.id), [free]);
  });
});

databaseTest("results are written once, and only by whom the row belongs to", async ({ sql, store }) => {
  const [one, two] = await insertDeliveries(sql, await insertEndpoint(sql, { url: URL }), 2);
  await claim({ store }, 10);
  assert.deepEqual((await store.record([delivered(one!), failed(two!)])).toSorted(), [one, two].toSorted());
  const [first, second] = await deliveries(sql);
  assert.deepEqual([first?.status, first?.response_status, first?.response_body, first?.error_message], [
    "delivered",
    200,
    "ok",
    null,
  ]);
  assert.deepEqual([second?.status, second?.response_status, second?.error_message], [
    "pending",
    500,
    "HTTP 500",
  ]);
  // The lease of the second ends, and another dispatcher takes it: the first one's late result changes nothing.
  await age(sql, "2 seconds");
  assert.deepEqual((await claim({ store }, 10)).map((row) => row.attempt), [2]);
  assert.deepEqual([...await store.record([delivered(two!, 1)])], []);
  assert.deepEqual([...await store.record([delivered(two!, 2)])], [two]);
  assert.deepEqual([...await store.record([failed(two!, 2)])], []);
  assert.equal((await deliveries(sql))[1]?.status, "delivered");
  assert.deepEqual([...await store.record([])], []);
});

databaseTest("what is left is counted, and what of it is due", async ({ sql, store }) => {
  const endpoint = await insertEndpoint(sql, { url: URL });
  await insertDeliveries(sql, endpoint, 3);
  assert.deepEqual(await store.remaining(), { pending: 3, due: 3 });
  const [row] = await claim({ store }, 1);
  assert.deepEqual(await store.remaining(), { pending: 3, due: 2 });
  await store.record([delivered(row!.id)]);
  assert.deepEqual(await store.remaining(), { pending: 2, due: 2 });
});

databaseTest("odd attempts do not stop a claim", async ({ sql, store }) => {
  const ids = await insertDeliveries(sql, await insertEndpoint(sql, { url: URL }), 3);
  await sql`update public.webhook_deliveries set attempts = -5 where id = ${ids[0]!}`;
  await sql`update public.webhook_deliveries set attempts = 2147483647 where id = ${ids[1]!}`;
  assert.deepEqual((await claim({ store }, 10)).map((row) => row.attempt), [1, 2147483647, 1]);
});

databaseTest("the delay runs from the end of the attempt, not from its claim", async ({ sql, store }) => {
  const [id] = await insertDeliveries(sql, await insertEndpoint(sql, { url: URL }));
  await claim({ store }, 1);
  // The attempt took 30 seconds.
  await age(sql, "30 seconds");
  await store.record([failed(id!)]);
  assert.equal((await claim({ store }, 1)).length, 0);
  await age(sql, "2 seconds");
  assert.equal((await claim({ store }, 1)).length, 1);
});

databaseTest("a row with a time that is no ISO 8601 is claimed like any other", async ({ sql, store }) => {
  await insertDeliveries(sql, await insertEndpoint(sql, { url: URL }), 2);
  await sql`update public.webhook_deliveries set created_at = '-infinity'
    where id = (select id from public.webhook_deliveries order by created_at limit 1)`;
  assert.equal((await claim({ store }, 10))[0]?.created_at, "-infinity");
});

databaseTest("what a row says of its next attempt is what happens", async ({ sql, store }) => {
  const [id] = await insertDeliveries(sql, await insertEndpoint(sql, { url: URL }));
  const trace = "trace 4bf92f3577b34da6a3ce929d0e0e4736";
  const cases = [
    [`HTTP 429; ${trace}; attempt 1 of 16, next in 7 s`, 7],
    ["x; attempt 2 of 16, next in 0.900 s", 0.9],
  ];
  for (const [at, [message, seconds]] of cases.entries()) {
    assert.equal((await claim({ store }, 1)).length, 1);
    await store.record([{ ...failed(id!, at + 1), error_message: String(message) }]);
    await age(sql, `${Number(seconds) - 0.5} seconds`);
    assert.equal((await claim({ store }, 1)).length, 0, String(message));
    await age(sql, "0.5 seconds");
  }
  // A receiver's text has no say, wherever it may land.
  await claim({ store }, 1);
  await store.record([{ ...failed(id!, 3), error_message: "next in 99999999999999999999 s" }]);
  await age(sql, "8 seconds");
  assert.equal((await claim({ store }, 1)).length, 1);
});

databaseTest("a claim is shared fairly, and takes no more than is allowed", async ({ sql, store }) => {
  const [busy, idle, held] = [
    await insertEndpoint(sql, { url: URL }),
    await insertEndpoint(sql, { url: URL }),
    await insertEndpoint(sql, { url: URL }),
  ];
  // The busy one's are the oldest.
  for (const endpoint of [busy, held, idle]) await insertDeliveries(sql, endpoint, 20);
  const rows = await store.claim(10, [
    { id: busy, most: 20, batch: 1, under_way: 4, quiet_ms: null },
    { id: idle, most: 20, batch: 1, under_way: 0, quiet_ms: null },
  ]);
  const count = (endpoint: string) => rows.filter(({ endpoint_id }) => endpoint_id === endpoint).length;
  // 4 + 3 beside 7: both have as many under way then.
  assert.deepEqual([count(busy), count(idle), count(held)], [3, 7, 0]);
  assert.equal(
    (await store.claim(100, [{ id: held, most: 2, batch: 1, under_way: 0, quiet_ms: null }])).length,
    2,
  );
  assert.equal((await store.claim(100, [])).length, 0);
});

databaseTest("a payload that is too long is not loaded", async ({ sql }) => {
  const store = createStore(sql, testSettings({ maxPayloadBytes: 2_000 }));
  const [long, short] = await insertDeliveries(sql, await insertEndpoint(sql, { url: URL }), 2);
  await sql`update public.webhook_deliveries
    set payload = jsonb_build_object('text', repeat('é', 1000)) where id = ${long!}`;
  const rows = await claim({ store }, 10);
  assert.deepEqual(rows.map(({ id, payload }) => [id, payload === null]), [[long, true], [short, false]]);
});

databaseTest("one claim does not take more payload than fits", async ({ sql, store }) => {
  await insertDeliveries(sql, await insertEndpoint(sql, { url: URL }), 30);
  // Random bytes, which no compression makes smaller.
  await sql`update public.webhook_deliveries set payload = (
    select jsonb_build_object('text', string_agg(encode(sha512((random()::text || n)::bytea), 'hex'), ''))
    from generate_series(1, 8000) n)`;
  const taken = (await claim({ store }, 30)).length;
  assert(taken >= 5 && taken < 30, String(taken));
});

databaseTest("a write that is repeated says the same", async ({ sql, store }) => {
  const [one, two] = await insertDeliveries(sql, await insertEndpoint(sql, { url: URL }), 2);
  await claim({ store }, 10);
  const updates = [delivered(one!), failed(two!)];
  assert.deepEqual((await store.record(updates)).toSorted(), [one, two].toSorted());
  assert.deepEqual((await store.record(updates)).toSorted(), [one, two].toSorted());
  // Somebody else's result of the same attempt is not ours.
  assert.deepEqual(await store.record([{ ...delivered(one!), response_status: 204 }]), []);
});

databaseTest("a long queue does not stand before a short one", async ({ sql, store }) => {
  const [long, short] = [await insertEndpoint(sql, { url: URL }), await insertEndpoint(sql, { url: URL })];
  await insertDeliveries(sql, long, 5_000);
  await insertDeliveries(sql, short, 3);
  const rows = await store.claim(20, [
    { id: long, most: 50, batch: 1, under_way: 0, quiet_ms: null },
    { id: short, most: 50, batch: 1, under_way: 0, quiet_ms: null },
  ]);
  assert.equal(rows.filter(({ endpoint_id }) => endpoint_id === short).length, 3);
  assert.equal(rows.length, 20);
});

databaseTest("of many that want to probe an endpoint, one does", async ({ sql, store }) => {
  const endpoint = await insertEndpoint(sql, { url: URL });
  await insertDeliveries(sql, endpoint, 20);
  const probe = () => store.claim(10, [{ id: endpoint, most: 1, batch: 1, under_way: 0, quiet_ms: 270_000 }]);
  const claims = await Promise.all(Array.from({ length: 12 }, probe));
  assert.equal(claims.flat().length, 1);
  // Its failure is recorded: the next probe has to wait.
  await store.record([failed(claims.flat()[0]!.id)]);
  assert.equal((await probe()).length, 0);
  await age(sql, "270 seconds");
  assert.equal((await probe()).length, 1);
});

databaseTest(
  "the claims after one that saw more than it took go on where it ended",
  async ({ sql, store }) => {
    const endpoint = await insertEndpoint(sql, { url: URL });
    const ids = await insertDeliveries(sql, endpoint, 30);
    const next = async (most = 5) =>
      (await store.claim(most, [{ id: endpoint, most, batch: 1, under_way: 0, quiet_ms: null }])).map((row) =>
        row.id
      );
    assert.deepEqual(await next(), ids.slice(0, 5));
    // What the queue has come to be meanwhile counts: one is ended, another dispatcher takes two, a new one comes.
    await sql`update public.webhook_deliveries set status = 'failed' where id = ${ids[5]!}`;
    const other = createStore(sql, testSettings({}));
    assert.deepEqual((await claim({ store: other }, 2)).map((row) => row.id), ids.slice(6, 8));
    const [late] = await insertDeliveries(sql, endpoint, 1);
    assert.deepEqual(await next(), ids.slice(8, 13));
    assert.deepEqual(await next(17), ids.slice(13));
    assert.deepEqual(await next(), [late]);
    assert.deepEqual(await next(), []);
  },
);

databaseTest("an endpoint that the last look was not for gets its share at once", async ({ sql, store }) => {
  const [one, other] = [await insertEndpoint(sql, { url: URL }), await insertEndpoint(sql, { url: URL })];
  await insertDeliveries(sql, one, 20);
  const [only] = await insertDeliveries(sql, other, 1);
  const allowance = (id: string) => ({ id, most: 4, batch: 1, under_way: 0, quiet_ms: null });
  assert.equal((await store.claim(4, [allowance(one)])).length, 4);
  const rows = await store.claim(2, [allowance(one), allowance(other)]);
  assert.deepEqual(rows.map((row) => row.endpoint_id).sort(), [one, other].sort());
  assert(rows.some((row) => row.id === only));
});
