/** webhook-health as Prometheus reads it: the official Python client's parser is the judge. */

import assert from "node:assert/strict";
import { databaseTest, insertEndpoint } from "../support/database.ts";
import { health, insert } from "../support/health.ts";
import { SECRET_KEY } from "../support/runtime.ts";

const KEY = { apikey: SECRET_KEY };
const METRICS = { query: "?format=prometheus" };
const PYTHON = Deno.env.get("TEST_PYTHON");

interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

interface Family {
  name: string;
  type: string;
  help: string;
  samples: Sample[];
}

async function familiesOf(answer: Response): Promise<Family[]> {
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  assert.equal(answer.headers.get("cache-control"), "no-store");
  const reader = new Deno.Command(PYTHON!, {
    args: [new URL("../support/metrics.py", import.meta.url).pathname],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = reader.stdin.getWriter();
  await writer.write(new Uint8Array(await answer.arrayBuffer()));
  await writer.close();
  const { success, stdout, stderr } = await reader.output();
  assert(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** A family's values by its labels but for `endpoint_id`, as `a=b,c=d`. */
function valuesOf(families: Family[], name: string): Record<string, number> {
  const family = families.find((family) => family.name === name);
  assert(family, name);
  return Object.fromEntries(family.samples.map(({ labels, value }) => {
    const { endpoint_id: _, ...rest } = labels;
    return [Object.entries(rest).map(([label, text]) => `${label}=${text}`).sort().join(","), value];
  }));
}

const OPEN_TO_ALL = [
  "webhook_healthy",
  "webhook_build_info",
  "webhook_unhealthy_reason",
  "webhook_deliveries",
  "webhook_pending_deliveries",
  "webhook_oldest_due_seconds",
  "webhook_circuit_breakers_open",
];

const OF_ENDPOINTS = [
  "webhook_endpoint_attempts",
  "webhook_endpoint_deliveries",
  "webhook_endpoint_success_ratio",
  "webhook_endpoint_latency_seconds",
  "webhook_endpoint_oldest_pending_seconds",
  "webhook_endpoint_circuit_breaker_state",
];

/** Registers a test that needs a Python with Prometheus' client. */
const parsedTest: typeof databaseTest = (name, body) => {
  if (PYTHON) databaseTest(name, body);
  else Deno.test.ignore(name, () => {});
};

parsedTest("Prometheus' parser reads the figures of all, without a name", async (database) => {
  const { sql } = database;
  const shop = await insertEndpoint(sql, { name: "shop", url: "https://a.example/" });
  await insert(sql, shop, { status: "delivered", count: 3 });
  await insert(sql, shop, { status: "failed", count: 6, error: "HTTP 500", ago: "2 minutes" });
  await insert(sql, shop, { status: "pending", attempts: 0, ago: "25 hours" });
  const answer = await health(database, {}, METRICS);
  const text = await answer.clone().text();
  assert(!text.includes("shop") && !text.includes(shop));
  const families = await familiesOf(answer);
  assert.deepEqual(families.map(({ name }) => name), OPEN_TO_ALL);
  for (const { name, type, help } of families) assert(type === "gauge" && help.length > 0, name);
  assert.deepEqual(valuesOf(families, "webhook_healthy"), { "": 0 });
  assert.deepEqual(valuesOf(families, "webhook_unhealthy_reason"), {
    "code=failure_rate": 1,
    "code=pending": 0,
    "code=dispatcher_not_running": 0,
    "code=circuit_breaker": 0,
  });
  assert.deepEqual(valuesOf(families, "webhook_deliveries"), {
    "status=pending,window=1h": 0,
    "status=delivered,window=1h": 3,
    "status=failed,window=1h": 6,
    "status=pending,window=24h": 0,
    "status=delivered,window=24h": 3,
    "status=failed,window=24h": 6,
  });
  assert.deepEqual(valuesOf(families, "webhook_pending_deliveries"), { "": 1 });
  const due = valuesOf(families, "webhook_oldest_due_seconds")[""]!;
  assert(due >= 60 && due < 120, String(due));
});

parsedTest("with a key each endpoint has its figures, whatever its name", async (database) => {
  const { sql } = database;
  const name = 'a "quoted\\one\\n"\n{next="line"} 🦀,';
  const shop = await insertEndpoint(sql, { name, url: "https://a.example/?token=not-to-be-shown" });
  await insertEndpoint(sql, { name: "idle", url: "https://b.example/" });
  await insert(sql, shop, { status: "delivered", count: 3, ago: "2 hours", took: "2 s" });
  await insert(sql, shop, { status: "failed", attempts: 4, error: "HTTP 500", ago: "30 minutes" });
  await insert(sql, shop, { status: "pending", error: "HTTP 500; next in 9000 s", ago: "20 minutes" });
  const answer = await health(database, KEY, METRICS);
  assert(!(await answer.clone().text()).includes("not-to-be-shown"));
  const families = await familiesOf(answer);
  assert.deepEqual(families.map(({ name }) => name), [...OPEN_TO_ALL, ...OF_ENDPOINTS]);
  const label = `endpoint_name=${name}`;
  assert.deepEqual(valuesOf(families, "webhook_endpoint_attempts"), { [label]: 8, "endpoint_name=idle": 0 });
  assert.deepEqual(valuesOf(families, "webhook_endpoint_deliveries"), {
    [`${label},status=pending`]: 1,
    [`${label},status=delivered`]: 3,
    [`${label},status=failed`]: 1,
    "endpoint_name=idle,status=pending": 0,
    "endpoint_name=idle,status=delivered": 0,
    "endpoint_name=idle,status=failed": 0,
  });
  assert.deepEqual(valuesOf(families, "webhook_endpoint_success_ratio"), { [label]: 0.75 });
  const latencies = Object.entries(valuesOf(families, "webhook_endpoint_latency_seconds"));
  assert.deepEqual(
    latencies.map(([labels]) => labels),
    ["0.5", "0.95", "0.99"].map((quantile) => `${label},quantile=${quantile}`),
  );
  for (const [, seconds] of latencies) assert(Math.abs(seconds - 2) < 0.02, String(seconds));
  const oldest = valuesOf(families, "webhook_endpoint_oldest_pending_seconds");
  assert(oldest[label]! >= 1_200 && oldest[label]! < 1_260, JSON.stringify(oldest));
  const states = valuesOf(families, "webhook_endpoint_circuit_breaker_state");
  assert.deepEqual(
    [
      states[`${label},state=half_open`],
      states[`${label},state=closed`],
      states["endpoint_name=idle,state=closed"],
    ],
    [1, 0, 1],
  );
  const ids = families.at(-1)!.samples.map(({ labels }) => labels.endpoint_id);
  assert(ids.includes(shop));
});

databaseTest(
  "forms of the answer are named, HEAD has both, and another form is refused",
  async (database) => {
    const head = await health(database, {}, { ...METRICS, method: "HEAD" });
    assert.equal(head.status, 200);
    assert.match(head.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
    const asJson = await health(database, {}, { query: "?format=json" });
    assert.equal((await asJson.json()).healthy, true);
    const refused = await health(database, {}, { query: "?format=xml" });
    assert.equal(refused.status, 400);
    assert.deepEqual(await refused.json(), {
      error: { code: "invalid_format", message: 'format: expected json or prometheus, got "xml"' },
    });
  },
);

databaseTest("an unhealthy system is scraped all the same", async (database) => {
  const shop = await insertEndpoint(database.sql, { url: "https://a.example/" });
  await insert(database.sql, shop, { status: "pending", attempts: 0, count: 101 });
  assert.equal((await health(database)).status, 503);
  assert.equal((await health(database, {}, METRICS)).status, 200);
  assert.equal((await health(database, {}, { ...METRICS, method: "HEAD" })).status, 200);
});
