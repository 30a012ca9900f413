/** Dead letters, replays, figures by the hour, and taking old rows away. */

import assert from "node:assert/strict";
import type postgres from "postgres";
import { databaseTest, deliveries, insertDeliveries, insertEndpoint } from "../../support/database.ts";
import { migrate, named } from "../../support/migrations.ts";

const start = async (sql: postgres.Sql) => {
  await migrate(sql, named("foundation", "operations"));
  return await insertEndpoint(sql, { url: "https://a.example/", name: "orders" });
};

const fail = (sql: postgres.Sql) =>
  sql`update public.webhook_deliveries set status = 'failed', attempts = 16, last_attempt_at = now(),
    error_message = 'HTTP 500; gave up after attempt 16', response_status = 500`;

databaseTest("dead letters say for whom, why and how old", async ({ sql }) => {
  const endpoint = await start(sql);
  const [dead] = await insertDeliveries(sql, endpoint, 3);
  await sql`
    update public.webhook_deliveries set status = 'failed', attempts = 5, response_status = 403,
      error_message = 'HTTP 403; gave up after attempt 5', created_at = now() - interval '2 days', last_attempt_at = now()
    where id = ${dead!}`;
  const rows = await sql`
    select id, endpoint_id, endpoint, endpoint_is_on, event_type, reason, response_status, attempts,
      age = now() - created_at and age >= '2 days' and failed_at > created_at as is_timed from webhooks.dead_letters`;
  assert.deepEqual([...rows], [{
    id: dead,
    endpoint_id: endpoint,
    endpoint: "orders",
    endpoint_is_on: true,
    event_type: "order.paid",
    reason: "HTTP 403; gave up after attempt 5",
    response_status: 403,
    attempts: 5,
    is_timed: true,
  }]);
});

interface Request {
  ids?: string[];
  endpointId?: string;
  eventType?: string;
  from?: string;
  to?: string;
  limit?: number;
  dryRun?: boolean;
}

databaseTest("a replay counts and puts back what the dispatcher's would", async ({ sql, store }) => {
  const one = await start(sql);
  const other = await insertEndpoint(sql, { url: "https://b.example/" });
  const off = await insertEndpoint(sql, { url: "https://off.example/", is_active: false });
  const ids = [one, other, off].flatMap((endpoint) => [endpoint, endpoint, endpoint]);
  const all: string[] = [];
  for (const endpoint of ids) all.push(...await insertDeliveries(sql, endpoint));
  await sql`update public.webhook_deliveries set event_type = 'order.sent' where id = ${all[1]!}`;
  await sql`update public.webhook_deliveries set created_at = '2026-01-29T10:00:00Z' where id = ${all[2]!}`;
  const requests: Request[] = [
    { ids: [all[0]!, all[3]!, all[6]!] },
    { endpointId: one },
    { endpointId: off },
    { endpointId: one, eventType: "order.paid" },
    { eventType: "order.sent" },
    { eventType: "order.lost" },
    { from: "2026-01-29T10:00:00Z", to: "2026-01-29T10:00:01Z" },
    { to: "2026-01-29T10:00:00Z" },
    { from: "2026-01-29T10:00:01Z", limit: 2 },
    { eventType: "order.paid", dryRun: true },
  ];
  /** The rows that were put back, and what the replay has counted. */
  const outcome = async (run: () => Promise<unknown>) => {
    await fail(sql);
    const counts = await run();
    const rows = await deliveries(sql);
    const back = rows.filter(({ status }) => status === "pending");
    assert(
      back.every((row) => row.attempts === 0 && row.error_message !== null && row.last_attempt_at !== null),
    );
    return { counts, back: back.map(({ id }) => id).toSorted() };
  };
  for (const request of requests) {
    const {
      ids = null,
      endpointId = null,
      eventType = null,
      from = null,
      to = null,
      limit = 1_000,
      dryRun = false,
    } = request;
    const expected = await outcome(async () => {
      const { matched, switched_off, replayed } = await store.replay(
        { ids, endpointId, eventType, from, to, limit, dryRun },
      );
      return { matched, switched_off, replayed };
    });
    const got = await outcome(async () => {
      const rows = await sql`
        select * from webhooks.replay_webhooks(ids => ${ids && `{${ids.join(",")}}`}::text::uuid[],
          endpoint_id => ${endpointId}::uuid, event_type => ${eventType}, created_from => ${from}::text::timestamptz,
          created_before => ${to}::text::timestamptz, most => ${limit}::integer, dry_run => ${dryRun}::boolean)`;
      return { ...rows[0]! };
    });
    assert.deepEqual(got, expected, JSON.stringify(request));
  }
});

databaseTest("a replay that is not understood changes nothing and says what is wrong", async ({ sql }) => {
  await insertDeliveries(sql, await start(sql), 2);
  await fail(sql);
  const cases: [string, RegExp][] = [
    ["", /name some deliveries by ids, endpoint_id, event_type, created_from or created_before/],
    ["dry_run => true", /name some deliveries/],
    ["ids => '{}'", /ids: expected 1 to 10000 UUIDs, got 0/],
    ["event_type => 'order.paid', most => 0", /most: expected a whole number from 1 to 10000, got 0/],
    ["event_type => 'order.paid', most => 10001", /most: expected a whole number/],
    ["event_type => 'order.paid', most => null", /got null/],
  ];
  for (const [request, message] of cases) {
    await assert.rejects(sql.unsafe(`select webhooks.replay_webhooks(${request})`), message);
  }
  assert((await deliveries(sql)).every(({ status }) => status === "failed"));
});

/** Rows of one status, `minutes` apart from 2026-01-01 00:00 UTC on, delivered after 100, 200, 300 … ms. */
async function insertHistory(
  sql: postgres.Sql,
  endpoint: string,
  status: string,
  count: number,
  minutes: number,
) {
  await sql`
    insert into public.webhook_deliveries (webhook_config_id, event_type, payload, status, attempts, created_at, last_attempt_at)
    select ${endpoint}, 'order.paid', '{}', ${status}, 2, at, at + n * interval '100 ms'
    from (select n, timestamptz '2026-01-01T00:00:00Z' + (n - 1) * ${minutes}::float8 * interval '1 minute' as at
      from generate_series(1, ${count}::integer) n) r`;
}

const metrics = async (sql: postgres.Sql) => [
  ...await sql`
    select to_char(hour at time zone 'UTC', 'DD HH24') as hour, deliveries, attempts::integer as attempts, delivered, failed,
      pending, p50_ms, p95_ms from webhooks.hourly_metrics order by 1, deliveries`,
];

const refresh = async (sql: postgres.Sql, args = "") =>
  (await sql.unsafe(`select webhooks.refresh_metrics(${args}) as hours`))[0]!.hours as number;

databaseTest("figures by the hour are those of the rows", async ({ sql }) => {
  const endpoint = await start(sql);
  await insertHistory(sql, endpoint, "delivered", 20, 3);
  await insertHistory(sql, endpoint, "failed", 2, 60);
  await sql`
    insert into public.webhook_deliveries (webhook_config_id, event_type, payload, created_at, status)
    values (${endpoint}, 'webhook.test', '{"test": true}', '2026-01-01T00:30:00Z', 'delivered')`;
  assert.equal(await refresh(sql, "most_hours => 2"), 2);
  const expected = [
    {
      hour: "01 00",
      deliveries: 21,
      attempts: 42,
      delivered: 20,
      failed: 1,
      pending: 0,
      p50_ms: 1000,
      p95_ms: 1900,
    },
    {
      hour: "01 01",
      deliveries: 1,
      attempts: 2,
      delivered: 0,
      failed: 1,
      pending: 0,
      p50_ms: null,
      p95_ms: null,
    },
  ];
  assert.deepEqual(await metrics(sql), expected);
  // In bounded steps to the present.
  let steps = 0;
  while (await refresh(sql, "most_hours => 2000") === 2000) steps++;
  assert(steps > 0);
  assert.deepEqual(await metrics(sql), expected);
});

databaseTest("an hour is counted again while something in it is pending, and on demand", async ({ sql }) => {
  const endpoint = await start(sql);
  await sql`update public.webhook_deliveries set created_at = now()`;
  await insertHistory(sql, endpoint, "delivered", 1, 1);
  await insertHistory(sql, endpoint, "pending", 2, 1);
  await sql`update public.webhook_deliveries set created_at = created_at + (now() - interval '3 days' - '2026-01-01T00:00:00Z')`;
  await refresh(sql);
  const counts = async () =>
    (await metrics(sql)).map(({ delivered, failed, pending }) => [delivered, failed, pending]);
  const sum = async () => (await counts()).reduce((all, row) => all.map((n, at) => n + row[at]), [0, 0, 0]);
  assert.deepEqual(await sum(), [1, 0, 2]);
  await fail(sql);
  await refresh(sql);
  assert.deepEqual(await sum(), [0, 3, 0]);
  // Settled hours are left alone but for what is pending in them: a replay shows.
  await sql`update public.webhook_deliveries set status = 'delivered'`;
  await refresh(sql);
  assert.deepEqual(await sum(), [0, 3, 0]);
  await sql`update public.webhook_deliveries set status = 'pending' where id = (select id from public.webhook_deliveries limit 1)`;
  await refresh(sql);
  assert.notDeepEqual(await sum(), [0, 3, 0]);
  await sql`update public.webhook_deliveries set status = 'delivered'`;
  await refresh(sql, "since => now() - interval '4 days'");
  assert.deepEqual(await sum(), [3, 0, 0]);
});

databaseTest("two refreshes at once are one", async ({ sql }) => {
  await insertHistory(sql, await start(sql), "delivered", 1, 1);
  await sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(hashtextextended('webhooks-metrics', 0))`;
    assert.equal(await refresh(sql), 0);
  });
  assert.notEqual(await refresh(sql), 0);
});

const prune = async (sql: postgres.Sql, args = "") =>
  (await sql.unsafe(`select webhooks.prune(${args}) as taken`))[0]!.taken as number;

databaseTest(
  "pruning takes delivered rows that are old enough, in bounded steps, the oldest first",
  async ({ sql }) => {
    const endpoint = await start(sql);
    for (const status of ["delivered", "failed", "pending"]) {
      await insertHistory(
        sql,
        endpoint,
        status,
        5,
        60,
      );
    }
    await insertDeliveries(sql, endpoint, 2);
    await sql`update public.webhook_deliveries set status = 'delivered' where created_at > now() - interval '1 hour'`;
    assert.equal(await prune(sql), 0, "for ever by default");
    await sql`update webhooks.settings set retention = '30 days'`;
    assert.equal(await prune(sql, "most => 2"), 2);
    const [oldest] = await sql`
    select min(created_at)::text as at from public.webhook_deliveries where status = 'delivered'`;
    assert.equal(oldest?.at, "2026-01-01 02:00:00+00");
    assert.equal(await prune(sql), 3);
    assert.equal(await prune(sql), 0);
    const left = async () => (await deliveries(sql)).map(({ status }) => status).toSorted();
    assert.deepEqual(await left(), [
      ...["delivered", "delivered", "failed", "failed", "failed", "failed", "failed"],
      ...["pending", "pending", "pending", "pending", "pending"],
    ]);
    assert.equal(await prune(sql, "failed => true"), 5);
    assert.equal(await prune(sql, "older_than => '20 days', pending => true"), 5);
    assert.deepEqual(await left(), ["delivered", "delivered"]);
  },
);

databaseTest("pruning leaves what breakers, figures and announcements need", async ({ sql }) => {
  const endpoint = await start(sql);
  await insertHistory(sql, endpoint, "delivered", 2, 1);
  await sql`
    update public.webhook_deliveries set event_type = 'discussion.auto_closed', created_at = now() - interval '90 days'
    where id = (select id from public.webhook_deliveries limit 1)`;
  await assert.rejects(
    prune(sql, "older_than => '2 days'"),
    /older_than: expected at least 3 days, got 2 days/,
  );
  await assert.rejects(prune(sql, "most => 0"), /most: expected a whole number from 1 to 100000, got 0/);
  await assert.rejects(
    sql`update webhooks.settings set retention = '1 day'`,
    /settings_retention_from_3_days/,
  );
  await sql`update webhooks.settings set retention = '4 days'`;
  await sql`update webhooks.metrics_progress set counted_before = '2026-01-01T00:00:00Z'`;
  assert.equal(await prune(sql), 0, "not counted yet");
  await sql`update webhooks.metrics_progress set counted_before = now()`;
  assert.equal(await prune(sql), 1);
  assert.deepEqual((await deliveries(sql)).map(({ event_type }) => event_type), ["discussion.auto_closed"]);
});

databaseTest("what is taken away stays counted", async ({ sql }) => {
  const endpoint = await start(sql);
  await insertHistory(sql, endpoint, "delivered", 3, 1);
  while (await refresh(sql) === 1_000);
  const before = await metrics(sql);
  assert.equal(before.length, 1);
  await sql`update webhooks.settings set retention = '3 days'`;
  assert.equal(await prune(sql, "most => 2"), 2);
  await refresh(sql, "since => '2026-01-01T00:00:00Z'");
  assert.deepEqual(await metrics(sql), before);
});
