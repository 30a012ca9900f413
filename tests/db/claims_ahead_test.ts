/** Claims ahead of free slots: what goes back, what somebody else has taken since the look at the queue, how much fits. */

import assert from "node:assert/strict";
import postgres from "postgres";
import { createStore } from "../../functions/_shared/store.ts";
import { claim, databaseTest, deliveries, insertDeliveries, insertEndpoint } from "../support/database.ts";
import { testSettings } from "../support/settings.ts";

const URL = "https://a.example/hook";

databaseTest(
  "what goes back is as it was before the claim, and only while it is this claim's",
  async (database) => {
    const { sql, store } = database;
    const endpoint = await insertEndpoint(sql, { url: URL });
    const [fresh, waiting, taken] = await insertDeliveries(sql, endpoint, 3);
    await sql`update public.webhook_deliveries set attempts = 2, response_status = 500, response_body = 'é"\\',
    error_message = 'HTTP 500; attempt 2 of 16, next in 0.001 s', last_attempt_at = now() - interval '1 minute'
    where id = ${waiting!}`;
    const before = await deliveries(sql);
    const rows = await claim({ store }, 3);
    assert.equal(rows.length, 3);
    // Somebody else has it since: its lease was over.
    await sql`update public.webhook_deliveries set attempts = attempts + 1 where id = ${taken!}`;
    await store.giveBack(JSON.stringify(rows.map(({ id, attempt, before }) => ({ id, attempt, before }))));
    const after = await deliveries(sql);
    const of = (table: typeof after, id?: string) => table.find((row) => row.id === id);
    assert.deepEqual([of(after, fresh), of(after, waiting)], [of(before, fresh), of(before, waiting)]);
    assert.equal(of(after, taken)?.attempts, 2);
    // A claim whose answer was lost is given back once.
    await store.giveBack(JSON.stringify(rows.map(({ id, attempt, before }) => ({ id, attempt, before }))));
    assert.deepEqual(await deliveries(sql), after);
  },
);

databaseTest(
  "a claim passes over what somebody else has taken since the look at the queue",
  async (database) => {
    const { sql, store } = database;
    const endpoint = await insertEndpoint(sql, { url: URL });
    const all = await insertDeliveries(sql, endpoint, 30);
    assert.deepEqual((await claim({ store }, 2)).map(({ id }) => id), all.slice(0, 2));
    const taken = `{${all.slice(2, 8).join(",")}}`;
    await sql`update public.webhook_deliveries set status = 'delivered' where id = any (${taken}::text::uuid[])`;
    assert.deepEqual((await claim({ store }, 3)).map(({ id }) => id), all.slice(8, 11));
  },
);

databaseTest("a claim is no larger than what fits, in bytes as they are stored", async (database) => {
  const { sql, store } = database;
  const endpoint = await insertEndpoint(sql, { url: URL });
  const all = await insertDeliveries(sql, endpoint, 4);
  // Text that does not compress.
  await sql`update public.webhook_deliveries set payload = jsonb_build_object('x',
    (select string_agg(md5(random()::text || n), '') from generate_series(1, 30000) n)
    || (select string_agg(md5(random()::text || n), '') from generate_series(1, 70000) n))`;
  assert.deepEqual((await claim({ store }, 4)).map(({ id }) => id), all.slice(0, 2));
});

databaseTest("what goes back does not take the next claim back with it", async ({ sql, store }) => {
  await insertDeliveries(sql, await insertEndpoint(sql, { url: URL }), 2);
  await sql`update public.webhook_deliveries set attempts = 1, error_message = 'HTTP 500; attempt 1 of 16, next in 0 s',
    last_attempt_at = now() - interval '1 minute' where id in (select id from public.webhook_deliveries limit 1)`;
  const rows = JSON.stringify(
    (await claim({ store }, 2)).map(({ id, attempt, before }) => ({ id, attempt, before })),
  );
  await store.giveBack(rows);
  // Its answer was lost, and before it is repeated somebody else claims.
  assert.equal((await claim({ store }, 2)).length, 2);
  const claimed = await deliveries(sql);
  await store.giveBack(rows);
  assert.deepEqual(await deliveries(sql), claimed);
});

databaseTest("what is claimed is not lost where the statement after it fails", async (database) => {
  const { sql, url } = database;
  const endpoint = await insertEndpoint(sql, { url: URL });
  const all = await insertDeliveries(sql, endpoint, 10);
  let claims = 0;
  const own = postgres(url, { max: 1, fetch_types: false, prepare: false, onnotice: () => {} });
  const failing = new Proxy(own, {
    apply: (target, self, given: [readonly string[]]) => {
      const isClaim = given[0].some((part) => part.includes("skip locked"));
      if (isClaim && ++claims === 3) {
        return Promise.reject(Object.assign(new Error("cut"), { code: "57P01" }));
      }
      return Reflect.apply(target, self, given);
    },
  });
  const cut = createStore(failing, testSettings());
  try {
    assert.equal((await claim({ store: cut }, 1)).length, 1);
    // Somebody else has two of the four that come next.
    const taken = `{${all.slice(1, 3).join(",")}}`;
    await sql`update public.webhook_deliveries set status = 'delivered' where id = any (${taken}::text::uuid[])`;
    const rows = await cut.claim(4, [{ id: endpoint, most: 4, batch: 1, under_way: 0, quiet_ms: null }]);
    assert.deepEqual(rows.map(({ id }) => id), all.slice(3, 5));
  } finally {
    await own.end();
  }
});

databaseTest("what is long and compressed counts by what it may be in memory", async (database) => {
  const { sql, store } = database;
  const endpoint = await insertEndpoint(sql, { url: URL });
  await insertDeliveries(sql, endpoint, 50);
  await sql`update public.webhook_deliveries set payload = jsonb_build_object('x', repeat('nothing to say, ', 60000))`;
  const rows = await store.claim(50, [{ id: endpoint, most: 50, batch: 1, under_way: 0, quiet_ms: null }]);
  const bytes = rows.reduce((sum, { payload }) => sum + (payload?.length ?? 0), 0);
  assert(rows.length > 1 && bytes <= 25_000_000, `${rows.length} rows of ${bytes} bytes`);
  assert.equal(rows.isCut, true);
});

databaseTest(
  "however many rows somebody else holds, those behind them are claimed",
  async ({ sql, store }) => {
    const endpoint = await insertEndpoint(sql, { url: URL });
    const all = await insertDeliveries(sql, endpoint, 300);
    const allowances = [{ id: endpoint, most: 4, batch: 1, under_way: 0, quiet_ms: null }];
    await sql.begin(async (tx) => {
      const held = `{${all.slice(0, 200).join(",")}}`;
      await tx`select from public.webhook_deliveries where id = any (${held}::text::uuid[]) for update`;
      const rows = await store.claim(4, allowances);
      assert.equal(rows.length, 4);
      assert(rows.every(({ id }) => all.indexOf(id) >= 200));
    });
  },
);

databaseTest(
  "after a look that took too long nothing is claimed, as nobody waits for it any longer",
  async (database) => {
    const { sql, url } = database;
    const endpoint = await insertEndpoint(sql, { url: URL });
    const all = await insertDeliveries(sql, endpoint, 4);
    const own = postgres(url, { max: 1, fetch_types: false, prepare: false, onnotice: () => {} });
    const { now } = performance;
    const slow = new Proxy(own, {
      apply: (target, self, given: [readonly string[]]) => {
        if (given[0].some((part) => part.includes("row_number()"))) {
          performance.now = () => now.call(performance) + 9_000;
        }
        return Reflect.apply(target, self, given);
      },
    });
    const store = createStore(slow, testSettings());
    try {
      const allowances = [{ id: endpoint, most: 4, batch: 1, under_way: 0, quiet_ms: null }];
      assert.deepEqual(await store.claim(4, allowances), []);
      assert((await deliveries(sql)).every(({ attempts }) => attempts === 0));
      // What it has found is of use still.
      await store.endpoints();
      assert.deepEqual((await store.claim(4, allowances)).map(({ id }) => id), all);
    } finally {
      performance.now = now;
      await own.end();
    }
  },
);
