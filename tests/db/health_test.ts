/** webhook-health: the numbers of the tables, and who may see what. */

import assert from "node:assert/strict";
import { version } from "../../functions/_shared/core.ts";
import { createHandler as createTestWebhook } from "../../functions/test-webhook/handler.ts";
import { databaseTest, insertEndpoint } from "../support/database.ts";
import { health, insert } from "../support/health.ts";
import { SECRET_KEY, testRuntime } from "../support/runtime.ts";

databaseTest("an empty system is healthy, and the answer has the documented shape", async (database) => {
  const answer = await health(database);
  assert.equal(answer.status, 200);
  const none = { total: 0, pending: 0, delivered: 0, failed: 0 };
  assert.deepEqual(await answer.json(), {
    healthy: true,
    version: version(),
    reasons: [],
    stats: { last_hour: none, last_24_hours: none },
    circuit_breakers: { open: 0, configs: [] },
  });
});

databaseTest("deliveries are counted by status and window", async (database) => {
  const endpoint = await insertEndpoint(database.sql, { url: "https://a.example/" });
  await insert(database.sql, endpoint, { status: "delivered", count: 140 });
  await insert(database.sql, endpoint, { status: "pending", count: 5, attempts: 0, ago: "10 seconds" });
  await insert(database.sql, endpoint, { status: "failed", count: 5, ago: "59 minutes", error: "HTTP 500" });
  await insert(database.sql, endpoint, { status: "delivered", count: 7, ago: "23 hours" });
  await insert(database.sql, endpoint, { status: "failed", count: 9, ago: "25 hours" });
  const answer = await health(database);
  assert.equal(answer.status, 200);
  assert.deepEqual((await answer.json()).stats, {
    last_hour: { total: 150, pending: 5, delivered: 140, failed: 5 },
    last_24_hours: { total: 157, pending: 5, delivered: 147, failed: 5 },
  });
});

databaseTest("due deliveries that nobody takes are unhealthy, waiting ones are not", async (database) => {
  const endpoint = await insertEndpoint(database.sql, { url: "https://a.example/" });
  await insert(database.sql, endpoint, { status: "pending", attempts: 0, ago: "6 minutes" });
  const answer = await health(database);
  assert.equal(answer.status, 503);
  const { healthy, reasons } = await answer.json();
  assert.equal(healthy, false);
  assert.deepEqual(reasons.map((reason: { code: string }) => reason.code), ["dispatcher_not_running"]);
  await database.sql`update public.webhook_deliveries
    set attempts = 1, last_attempt_at = now(), error_message = 'HTTP 500'`;
  assert.equal((await health(database)).status, 200);
});

databaseTest("what a breaker holds back is no sign of a dispatcher that does not run", async (database) => {
  const endpoint = await insertEndpoint(database.sql, { url: "https://a.example/" });
  await insert(database.sql, endpoint, {
    status: "pending",
    attempts: 9,
    error: "HTTP 500",
    ago: "6 minutes",
  });
  await insert(database.sql, endpoint, { status: "pending", attempts: 0, ago: "59 minutes", count: 3 });
  const codes = async () =>
    (await (await health(database)).json()).reasons.map((reason: { code: string }) => reason.code);
  // Its probe has been due for a minute.
  assert.deepEqual(await codes(), ["circuit_breaker"]);
  await database
    .sql`update public.webhook_deliveries set last_attempt_at = last_attempt_at - interval '5 minutes'`;
  assert.deepEqual(await codes(), ["dispatcher_not_running", "circuit_breaker"]);
});

databaseTest(
  "what a receiver or a rate holds back is no sign of a dispatcher that does not run",
  async (database) => {
    const { sql } = database;
    const asked = await insertEndpoint(sql, { url: "https://a.example/" });
    await insert(sql, asked, {
      status: "pending",
      error: "HTTP 503, asked to wait 3600 s; attempt 1 of 16, next in 3600 s",
      ago: "6 minutes",
    });
    await sql`update public.webhook_deliveries set response_status = 503`;
    await insert(sql, asked, { status: "pending", attempts: 0, ago: "6 minutes" });
    const limited = await insertEndpoint(sql, { url: "https://b.example/#timeout=5s&rate=1/h" });
    await insert(sql, limited, { status: "delivered", ago: "50 minutes" });
    await insert(sql, limited, { status: "pending", attempts: 0, ago: "51 minutes", count: 3 });
    assert.equal((await health(database)).status, 200);
    // Neither has a reason any more.
    await sql`update public.webhook_deliveries set last_attempt_at = last_attempt_at - interval '70 minutes'`;
    const { reasons } = await (await health(database)).json();
    assert.deepEqual(reasons.map(({ code }: { code: string }) => code), ["dispatcher_not_running"]);
  },
);

databaseTest("a backlog is no sign of a dispatcher that does not run", async (database) => {
  const endpoint = await insertEndpoint(database.sql, { url: "https://a.example/" });
  await insert(database.sql, endpoint, { status: "pending", attempts: 0, ago: "6 minutes", count: 3 });
  await insert(database.sql, endpoint, { status: "delivered", ago: "10 seconds" });
  assert.equal((await health(database)).status, 200);
});

databaseTest("a delivery that an admin sends again is not overdue at once", async (database) => {
  const endpoint = await insertEndpoint(database.sql, { url: "https://a.example/" });
  await insert(database.sql, endpoint, { status: "failed", ago: "3 days", error: "HTTP 500", attempts: 10 });
  await database.sql`update public.webhook_deliveries
    set status = 'pending', attempts = 0, last_attempt_at = now()`;
  assert.equal((await health(database)).status, 200);
  assert.deepEqual(await database.store.remaining(), { pending: 1, due: 1 });
});

databaseTest("tests count for nothing", async (database) => {
  const endpoint = await insertEndpoint(database.sql, { url: "ftp://wrong.example/" });
  const runtime = testRuntime(database);
  const body = JSON.stringify({ endpoint_id: endpoint, event_type: "user.posted_comment" });
  for (let n = 0; n < 6; n++) {
    const request = new Request("http://localhost/", {
      method: "POST",
      headers: { apikey: SECRET_KEY },
      body,
    });
    assert.equal((await createTestWebhook(runtime)(request)).status, 200);
  }
  const answer = await health(database);
  assert.equal(answer.status, 200);
  assert.equal((await answer.json()).stats.last_hour.total, 0);
});

databaseTest(
  "endpoints that fail in a row are counted for all and named for callers with a key",
  async (database) => {
    const { sql } = database;
    const broken = await insertEndpoint(sql, { name: "broken one", url: "https://a.example/" });
    const recovered = await insertEndpoint(sql, { name: "recovered", url: "https://b.example/" });
    await insert(sql, broken, { status: "delivered", ago: "3 minutes" });
    await insert(sql, broken, { status: "pending", attempts: 2, error: "HTTP 500", ago: "1 minute" });
    await insert(sql, broken, { status: "failed", attempts: 3, error: "HTTP 500", ago: "2 minutes" });
    await insert(sql, recovered, { status: "failed", attempts: 9, error: "HTTP 500", ago: "2 minutes" });
    await insert(sql, recovered, { status: "delivered", ago: "1 minute" });
    // Older than the last success: of its nine attempts only the last one is known to have come after it.
    const mixed = await insertEndpoint(sql, { name: "mixed", url: "https://c.example/" });
    await insert(sql, mixed, { status: "delivered", ago: "2 minutes" });
    await insert(sql, mixed, { status: "pending", attempts: 9, error: "HTTP 500", ago: "3 minutes" });
    await sql`update public.webhook_deliveries set last_attempt_at = now()
    where webhook_config_id = ${mixed} and status = 'pending'`;
    const off = await insertEndpoint(sql, { name: "off", url: "https://d.example/", is_active: false });
    await insert(sql, off, { status: "failed", attempts: 9, error: "HTTP 500" });

    const open = await (await health(database)).text();
    assert.deepEqual(JSON.parse(open).circuit_breakers, { open: 1, configs: [] });
    assert(!open.includes("broken one") && !open.includes(broken));
    const named = await (await health(database, { apikey: SECRET_KEY })).json();
    assert.deepEqual(named.circuit_breakers.configs, [
      { endpoint_id: broken, name: "broken one", state: "open", failures_in_a_row: 5, probe_in_s: 240 },
    ]);
  },
);

databaseTest("HEAD says it by its status, and POST is refused", async (database) => {
  assert.equal((await health(database, {}, { method: "HEAD" })).status, 200);
  assert.equal((await health(database, {}, { method: "POST" })).status, 405);
});
