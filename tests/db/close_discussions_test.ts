/** discussion.auto_closed: once for each expiry, whoever runs and however often. */

import assert from "node:assert/strict";
import postgres from "postgres";
import { createStore } from "../../functions/_shared/store.ts";
import { createHandler } from "../../functions/close-expired-discussions/handler.ts";
import { databaseTest, insertEndpoint, type TestDatabase } from "../support/database.ts";
import { testSettings } from "../support/settings.ts";
import { post, testRuntime } from "../support/runtime.ts";

const EVENT = "discussion.auto_closed";

async function insertDiscussion(sql: postgres.Sql, expires: string): Promise<string> {
  const [row] = await sql<{ id: string }[]>`
    with account as (insert into auth.users default values returning id),
      author as (insert into public.users (id) select id from account returning id),
      community as (insert into public.communities (name, city) values ('c', 'c') returning id)
    insert into public.discussions (community_id, title, created_by, expires_at)
    select community.id, 'd', account.id, now() + ${expires}::text::interval from community, account
    returning id`;
  return row!.id;
}

async function close(database: TestDatabase, variables: Record<string, string> = {}) {
  const answer = await createHandler(testRuntime(database, variables))(post());
  assert.equal(answer.status, 200);
  return await answer.json();
}

/** The announcements so far: discussion and expiry. */
async function announced(sql: postgres.Sql): Promise<[string, string][]> {
  const rows = await sql<{ id: string; at: string }[]>`
    select payload -> 'data' ->> 'discussion_id' as id, payload -> 'data' ->> 'closed_at' as at
    from public.webhook_deliveries where event_type = ${EVENT} order by created_at`;
  return rows.map((row) => [row.id, row.at]);
}

const subscribe = (sql: postgres.Sql) => insertEndpoint(sql, { url: "https://a.example/", events: [EVENT] });

databaseTest(
  "an expired discussion is announced once, with its expiry, and stays listed",
  async (database) => {
    const { sql } = database;
    await subscribe(sql);
    const expired = await insertDiscussion(sql, "-1 minute");
    await insertDiscussion(sql, "1 minute");
    const [before] = await sql`select * from public.discussions where id = ${expired}`;
    assert.deepEqual(await close(database), {
      closed: 1,
      discussion_ids: [expired],
      subscribers: 1,
      more: false,
    });
    assert.deepEqual(await close(database), { closed: 0, discussion_ids: [], subscribers: 1, more: false });
    const [[id, at]] = await announced(sql) as [[string, string]];
    assert.equal(id, expired);
    const [same] = await sql`select ${at}::text::timestamptz = expires_at as same from public.discussions
    where id = ${expired}`;
    assert.equal(same?.same, true);
    const [after] = await sql`select * from public.discussions where id = ${expired}`;
    assert.deepEqual(after, before);
    const [row] = await sql`select payload, event_type, status from public.webhook_deliveries`;
    assert.deepEqual([row?.event_type, row?.status], [EVENT, "pending"]);
  },
);

databaseTest("a discussion that is extended and expires again is announced again", async (database) => {
  const { sql } = database;
  await subscribe(sql);
  const id = await insertDiscussion(sql, "-1 minute");
  await close(database);
  await sql`update public.discussions set expires_at = now() + interval '1 hour', extended = true`;
  assert.equal((await close(database)).closed, 0);
  await sql`update public.discussions set expires_at = now() - interval '1 second'`;
  assert.deepEqual((await close(database)).discussion_ids, [id]);
  assert.equal((await close(database)).closed, 0);
  assert.equal((await announced(sql)).length, 2);
});

databaseTest(
  "each subscriber gets it, and what the dispatcher did with it does not matter",
  async (database) => {
    const { sql } = database;
    await subscribe(sql);
    await subscribe(sql);
    await insertDiscussion(sql, "-1 minute");
    assert.equal((await close(database)).subscribers, 2);
    await sql`update public.webhook_deliveries set status = 'failed'`;
    assert.equal((await close(database)).closed, 0);
    assert.equal((await announced(sql)).length, 2);
  },
);

databaseTest("a first run looks back a bounded time", async (database) => {
  const { sql } = database;
  await subscribe(sql);
  await insertDiscussion(sql, "-25 hours");
  const recent = await insertDiscussion(sql, "-23 hours");
  assert.deepEqual((await close(database)).discussion_ids, [recent]);
  assert.equal((await close(database, { WEBHOOK_CLOSE_LOOKBACK: "2d" })).closed, 1);
});

databaseTest("runs at once announce each expiry once", async (database) => {
  const { sql } = database;
  await subscribe(sql);
  for (let n = 0; n < 20; n++) await insertDiscussion(sql, "-1 minute");
  const runs = await Promise.all(Array.from({ length: 6 }, () => close(database)));
  assert.equal(runs.reduce((sum, run) => sum + run.closed, 0), 20);
  assert.equal(new Set((await announced(sql)).map(([id]) => id)).size, 20);
  assert.equal((await announced(sql)).length, 20);
});

databaseTest("a discussion that is being extended just now is left to the next run", async (database) => {
  const { sql } = database;
  await subscribe(sql);
  await insertDiscussion(sql, "-1 minute");
  await sql.begin(async (tx) => {
    await tx`update public.discussions set expires_at = now() + interval '1 hour'`;
    assert.equal((await close(database)).closed, 0);
  });
  assert.equal((await close(database)).closed, 0);
  assert.deepEqual(await announced(sql), []);
});

databaseTest(
  "without a subscriber nothing is announced, and the next one gets what is recent",
  async (database) => {
    const { sql } = database;
    await insertDiscussion(sql, "-1 minute");
    assert.deepEqual(await close(database), { closed: 0, discussion_ids: [], subscribers: 0, more: false });
    await subscribe(sql);
    assert.equal((await close(database)).closed, 1);
  },
);

databaseTest("callers need a key", async (database) => {
  const answer = await createHandler(testRuntime(database))(post(undefined, {}));
  assert.equal(answer.status, 401);
});

databaseTest("the order of runs does not depend on the database's default isolation", async (database) => {
  const { sql } = database;
  await subscribe(sql);
  for (let n = 0; n < 5; n++) await insertDiscussion(sql, "-1 minute");
  const name = new URL(database.url).pathname.slice(1);
  await sql.unsafe(`alter database ${name} set default_transaction_isolation = 'repeatable read'`);
  const own = postgres(database.url, { max: 4, fetch_types: false, prepare: false });
  try {
    const store = createStore(own, testSettings());
    const runs = await Promise.all(Array.from({ length: 4 }, () => close({ ...database, store })));
    assert.equal(runs.reduce((sum, run) => sum + run.closed, 0), 5);
  } finally {
    await own.end();
  }
  assert.equal((await announced(sql)).length, 5);
});

databaseTest("a test of the event does not pass for the announcement", async (database) => {
  const { sql } = database;
  const endpoint = await subscribe(sql);
  const id = await insertDiscussion(sql, "-1 minute");
  await sql`
    insert into public.webhook_deliveries (webhook_config_id, event_type, payload)
    select ${endpoint}, ${EVENT}, jsonb_build_object('test', true, 'data', jsonb_build_object(
      'discussion_id', id, 'closed_at', to_char(expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))
    from public.discussions where id = ${id}`;
  assert.deepEqual((await close(database)).discussion_ids, [id]);
});
