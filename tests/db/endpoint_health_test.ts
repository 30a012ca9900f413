/** webhook-health for callers with a key: each endpoint's figures, the schema of all answers, and what they cost. */

import assert from "node:assert/strict";
import addFormats from "ajv-formats";
import { Ajv2020 } from "ajv/2020";
import postgres from "postgres";
import { readSettings } from "../../functions/_shared/core.ts";
import { createStore } from "../../functions/_shared/store.ts";
import { createHandler } from "../../functions/webhook-health/handler.ts";
import { databaseTest, insertEndpoint, type TestDatabase } from "../support/database.ts";
import { health, insert } from "../support/health.ts";
import { SECRET_KEY, testRuntime } from "../support/runtime.ts";

const KEY = { apikey: SECRET_KEY };

const schema = JSON.parse(
  await Deno.readTextFile(new URL("../../docs/webhook-health.schema.json", import.meta.url)),
);
const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });
addFormats.default(ajv);
const validate = ajv.compile(schema);
const fits = (answer: unknown): boolean => validate(answer);

/** An answer's JSON, which fits the schema. */
async function answerOf(database: TestDatabase, headers: Record<string, string> = {}) {
  const answer = await (await health(database, headers)).json();
  assert(fits(answer), JSON.stringify(validate.errors));
  return answer;
}

async function endpointsOf(database: TestDatabase) {
  const { endpoints } = await answerOf(database, KEY);
  return Object.fromEntries(endpoints.map((endpoint: { name: string }) => [endpoint.name, endpoint]));
}

/** Seconds that were so many when the rows were made, however slow the machine is. */
function assertCountingDown(seconds: number, from: number): void {
  assert(seconds <= from && seconds > from - 60, `${seconds} of ${from}`);
}

const CLOSED = { state: "closed", since: null, failures_in_a_row: 0, probe_in_s: null };

databaseTest(
  "an endpoint without deliveries has zeros and nulls, and callers without a key see none",
  async (database) => {
    assert.deepEqual((await answerOf(database, KEY)).endpoints, []);
    const url = "https://a.example/hook?token=not-to-be-shown";
    const endpoint_id = await insertEndpoint(database.sql, { name: "idle", url });
    const named = await answerOf(database, KEY);
    assert.equal(named.endpoints_window_s, 86_400);
    assert.deepEqual(named.endpoints, [{
      endpoint_id,
      name: "idle",
      protocol: "http",
      is_active: true,
      attempts: 0,
      delivered: 0,
      failed: 0,
      pending: 0,
      success_rate: null,
      latency_ms: { p50: null, p95: null, p99: null },
      oldest_pending_s: null,
      next_attempt_in_s: null,
      breaker: CLOSED,
    }]);
    assert(!JSON.stringify(named).includes("not-to-be-shown"));
    const open = await answerOf(database);
    assert.deepEqual(Object.keys(open), ["healthy", "version", "reasons", "stats", "circuit_breakers"]);
  },
);

databaseTest(
  "figures are of 24 hours, what is owed is of any age, and endpoints do not mix",
  async (database) => {
    const { sql } = database;
    const shop = await insertEndpoint(sql, { name: "shop", url: "sqs://orders" });
    await insert(sql, shop, { status: "delivered", count: 6, attempts: 2, ago: "23 hours" });
    await insert(sql, shop, { status: "delivered", count: 9, ago: "25 hours" });
    await insert(sql, shop, { status: "failed", count: 2, attempts: 5, ago: "2 hours", error: "HTTP 500" });
    await insert(sql, shop, { status: "pending", attempts: 0, ago: "49 hours" });
    await insert(sql, shop, { status: "pending", attempts: 0, ago: "10 seconds" });
    const other = await insertEndpoint(sql, { name: "other", url: "kafka://b:9092/t" });
    await insert(sql, other, { status: "delivered" });
    const found = await endpointsOf(database);
    const { attempts, delivered, failed, pending, success_rate, protocol, next_attempt_in_s } = found.shop;
    assert.deepEqual({ attempts, delivered, failed, pending, success_rate, protocol, next_attempt_in_s }, {
      attempts: 22,
      delivered: 6,
      failed: 2,
      pending: 2,
      success_rate: 0.75,
      protocol: "sqs",
      next_attempt_in_s: 0,
    });
    assert.equal(Math.floor(found.shop.oldest_pending_s / 3_600), 49);
    assert.deepEqual([found.other.delivered, found.other.pending, found.other.success_rate], [1, 0, 1]);
  },
);

databaseTest("tests and alerts are in no figure", async (database) => {
  const { sql } = database;
  const shop = await insertEndpoint(sql, { name: "shop", url: "https://a.example/" });
  for (const status of ["delivered", "failed", "pending"]) {
    await insert(sql, shop, { status, payload: '{"test": true}' });
    await insert(sql, shop, { status, eventType: "webhook.alert" });
  }
  // A field of the event's data that has the same name marks no test.
  await insert(sql, shop, { status: "delivered", payload: '{"data": {"test": true}}' });
  const { shop: { attempts, delivered, failed, pending, next_attempt_in_s } } = await endpointsOf(database);
  assert.deepEqual([attempts, delivered, failed, pending, next_attempt_in_s], [1, 1, 0, 0, null]);
});

databaseTest("latencies are those of PostgreSQL's own percentiles, to one per cent", async (database) => {
  const { sql } = database;
  const shop = await insertEndpoint(sql, { name: "shop", url: "https://a.example/" });
  await sql`
    insert into public.webhook_deliveries
      (webhook_config_id, event_type, payload, status, attempts, created_at, last_attempt_at)
    select ${shop}, 'order.paid', '{}', 'delivered', 1, now() - interval '2 hours',
      now() - interval '2 hours' + interval '1 ms' * (20 + n * n * 3) from generate_series(1, 1000) n`;
  // What has no sense is left out: an admin's slips.
  await sql`
    insert into public.webhook_deliveries
      (webhook_config_id, event_type, payload, status, attempts, created_at, last_attempt_at)
    select ${shop}, 'order.paid', '{}', 'delivered', 1, now(), at::timestamptz
    from unnest(array['infinity', '-infinity', '1999-01-01', null]) at`;
  const [exact] = await sql<{ all: string }[]>`
    select percentile_disc('{0.5,0.95,0.99}'::float8[]) within group (
      order by (extract(epoch from last_attempt_at - created_at) * 1000)::float8)::text as all
    from public.webhook_deliveries where created_at < now() - interval '1 hour'`;
  const { shop: { latency_ms: { p50, p95, p99 }, delivered } } = await endpointsOf(database);
  assert.equal(delivered, 1_004);
  const expected = exact!.all.slice(1, -1).split(",").map(Number);
  assert.equal(expected.length, 3);
  for (const [index, ms] of [p50, p95, p99].entries()) {
    assert(Math.abs(ms / expected[index]! - 1) < 0.01, `${ms} for ${expected[index]}`);
  }
});

databaseTest(
  "of endpoints that are switched off those are shown that are owed something or have failed",
  async (database) => {
    const { sql } = database;
    const off = async (name: string) =>
      await insertEndpoint(sql, { name, url: "https://a.example/", is_active: false });
    await off("unused");
    await insert(sql, await off("delivered"), { status: "delivered" });
    await insert(sql, await off("failed long ago"), { status: "failed", ago: "25 hours" });
    await insert(sql, await off("failed"), { status: "failed", attempts: 9, error: "HTTP 500" });
    await insert(sql, await off("owed"), { status: "pending", attempts: 0, ago: "2 days" });
    const found = await endpointsOf(database);
    assert.deepEqual(Object.keys(found), ["failed", "owed"]);
    assert.deepEqual([found.failed.is_active, found.failed.breaker], [false, CLOSED]);
  },
);

databaseTest(
  "a breaker that is open says since when, and what is owed waits for its probe",
  async (database) => {
    const { sql } = database;
    const shop = await insertEndpoint(sql, { name: "shop", url: "https://a.example/" });
    await insert(sql, shop, { status: "delivered", ago: "10 minutes" });
    await insert(sql, shop, { status: "failed", attempts: 3, ago: "3 minutes", error: "HTTP 500" });
    await insert(sql, shop, {
      status: "pending",
      attempts: 2,
      ago: "1 minute",
      error: "HTTP 500; attempt 2 of 16, next in 4 s",
    });
    const [first] = await sql<{ at: Date }[]>`
    select min(last_attempt_at) as at from public.webhook_deliveries where status = 'failed'`;
    const answer = await answerOf(database, KEY);
    const [{ breaker, next_attempt_in_s, pending }] = answer.endpoints;
    assert.equal(new Date(breaker.since).getTime(), first!.at.getTime());
    assert.deepEqual([breaker.state, breaker.failures_in_a_row, pending], ["open", 5, 1]);
    assertCountingDown(breaker.probe_in_s, 240);
    assertCountingDown(next_attempt_in_s, 240);
    assert.equal(answer.circuit_breakers.configs[0].probe_in_s, breaker.probe_in_s);
    await sql`update public.webhook_deliveries set last_attempt_at = last_attempt_at - interval '5 minutes'
    where status <> 'delivered'`;
    const { shop: later } = await endpointsOf(database);
    assert.deepEqual([later.breaker.state, later.breaker.probe_in_s, later.next_attempt_in_s], [
      "half_open",
      0,
      0,
    ]);
    await insert(sql, shop, { status: "delivered", ago: "1 second" });
    assert.deepEqual((await endpointsOf(database)).shop.breaker, CLOSED);
  },
);

databaseTest("a receiver that asked to wait gets nothing before", async (database) => {
  const { sql } = database;
  const shop = await insertEndpoint(sql, { name: "shop", url: "https://a.example/" });
  await insert(sql, shop, { status: "pending", attempts: 0, ago: "2 minutes" });
  await insert(sql, shop, {
    status: "pending",
    ago: "1 minute",
    responseStatus: 429,
    error: "HTTP 429; asked to wait 600 s; attempt 1 of 16, next in 600 s",
  });
  assertCountingDown((await endpointsOf(database)).shop.next_attempt_in_s, 540);
});

databaseTest("answers of every kind fit the schema, and what does not is found", async (database) => {
  const { sql } = database;
  const broken = await insertEndpoint(sql, { name: 'broken \\ "one"', url: "ftp://wrong.example/" });
  await insert(sql, broken, { status: "failed", count: 6, attempts: 16, error: "HTTP 500", took: "10 s" });
  await insert(sql, broken, { status: "pending", count: 101, attempts: 0, ago: "20 minutes" });
  const open = await answerOf(database);
  const named = await answerOf(database, KEY);
  assert.deepEqual(
    named.reasons.map((reason: { code: string }) => reason.code),
    ["failure_rate", "pending", "circuit_breaker"],
  );
  assert.equal(named.endpoints[0].protocol, "unknown");
  const [endpoint] = named.endpoints;
  const wrong = {
    "a field too much": { ...open, uptime: 5 },
    "a field too few": { healthy: true, version: "1", reasons: [], stats: open.stats },
    "a text for a number": {
      ...open,
      stats: { ...open.stats, last_hour: { ...open.stats.last_hour, total: "1" } },
    },
    "half a delivery": { ...open, circuit_breakers: { open: 0.5, configs: [] } },
    "an unknown reason": { ...open, reasons: [{ code: "other", message: "m" }] },
    "endpoints without their window": { ...open, endpoints: [] },
    "an endpoint with its URL": { ...named, endpoints: [{ ...endpoint, url: "https://a.example/" }] },
    "an id that is none": { ...named, endpoints: [{ ...endpoint, endpoint_id: "5" }] },
    "a rate in per cent": { ...named, endpoints: [{ ...endpoint, success_rate: 50 }] },
    "a time that is none": {
      ...named,
      endpoints: [{ ...endpoint, breaker: { ...endpoint.breaker, since: "yesterday" } }],
    },
  };
  for (const [what, answer] of Object.entries(wrong)) assert.equal(fits(answer), false, what);
});

Deno.test("the schema knows every protocol that a target URL has", async () => {
  const targets: { protocol?: string }[] = JSON.parse(
    await Deno.readTextFile(new URL("../vectors/targets.json", import.meta.url)),
  );
  const protocols = new Set(targets.flatMap(({ protocol }) => protocol ?? []));
  assert(protocols.size >= 6);
  assert.deepEqual(
    [...protocols, "unknown"].sort(),
    [...schema.$defs.endpoint.properties.protocol.enum].sort(),
  );
});

databaseTest("callers without a key share what was read within five seconds", async (database) => {
  let [queries, now] = [0, 1_000_000];
  const store = {
    ...database.store,
    healthFacts: async () => {
      queries++;
      return await database.store.healthFacts();
    },
  };
  const handler = createHandler({ ...testRuntime({ ...database, store }), now: () => now });
  const ask = async (headers: Record<string, string> = {}, query = "") => {
    const answer = await handler(new Request(`http://localhost/webhook-health${query}`, { headers }));
    assert.equal(answer.headers.get("cache-control"), "no-store");
    return await answer.text();
  };
  await Promise.all(Array.from({ length: 50 }, () => ask()));
  assert.equal(queries, 1);
  now += 4_999;
  await ask();
  await ask({}, "?format=prometheus");
  assert.equal(queries, 1);
  // Whoever has a key sees what is, and not what was.
  const shop = await insertEndpoint(database.sql, { name: "shop", url: "https://a.example/" });
  await insert(database.sql, shop, { status: "delivered" });
  assert.equal(JSON.parse(await ask(KEY)).stats.last_hour.total, 1);
  assert.equal(JSON.parse(await ask()).stats.last_hour.total, 0);
  assert.equal(queries, 2);
  now += 1;
  assert.equal(JSON.parse(await ask()).stats.last_hour.total, 1);
  assert.equal(queries, 3);
});

databaseTest("a large table is never read as a whole", async ({ url, sql }) => {
  const failing = await insertEndpoint(sql, { name: "failing", url: "https://a.example/" });
  const fine = await insertEndpoint(sql, { name: "fine", url: "https://b.example/" });
  await insertEndpoint(sql, { name: "off", url: "https://c.example/", is_active: false });
  await sql`
    insert into public.webhook_deliveries
      (webhook_config_id, event_type, payload, status, attempts, created_at, last_attempt_at)
    select case when n % 2 = 0 then ${failing}::uuid else ${fine}::uuid end, 'order.paid',
      '{"event": "order.paid", "data": {}}', case when n % 70 = 0 then 'failed' else 'delivered' end, 1, at,
      at + interval '1 s'
    from generate_series(1, 200000) n, lateral (select now() - interval '13 s' * n as at) t`;
  await insert(sql, failing, {
    status: "pending",
    count: 9,
    attempts: 3,
    ago: "1 second",
    error: "HTTP 500",
  });
  await sql`analyze public.webhook_deliveries`;
  const statements: [string, unknown[]][] = [];
  const recorded = postgres(url, {
    max: 1,
    prepare: false,
    fetch_types: false,
    debug: (_connection, query, parameters) => statements.push([query, parameters]),
  });
  try {
    const store = createStore(recorded, readSettings(() => undefined));
    assert.equal((await store.healthFacts()).failing[0]?.name, "failing");
    assert.equal((await store.endpointFigures()).length, 2);
    const asked = statements.splice(0).filter(([query]) => query.includes("public.webhook_deliveries"));
    assert.equal(asked.length, 2);
    for (const [query, parameters] of asked) {
      const [row] = await recorded.unsafe(`explain (format json) ${query}`, parameters as never[]);
      const plan = row!["QUERY PLAN"];
      const scans = scansOf(typeof plan === "string" ? JSON.parse(plan) : plan);
      assert(scans.length > 0);
      assert(!scans.includes("Seq Scan"), scans.join(", "));
    }
  } finally {
    await recorded.end();
  }
});

/** How a plan reads the deliveries, whatever it is nested in. */
function scansOf(plan: unknown): string[] {
  if (typeof plan !== "object" || plan === null) return [];
  const node = plan as Record<string, unknown>;
  const mine = node["Relation Name"] === "webhook_deliveries" ? [String(node["Node Type"])] : [];
  return [...mine, ...Object.values(node).flatMap(scansOf)];
}
