/** A project that has tables, rows and receivers already, and what docs/adopting.md has it do. */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { databaseTest, type DeliveryRow, insertEndpoint, type TestDatabase } from "../support/database.ts";
import { type FunctionProcess, startFunction } from "../support/process.ts";
import { type Received, withReceiver } from "../support/receiver.ts";
import { SERVICE_ROLE_KEY } from "../support/runtime.ts";

/** Of before there was `whsec_`. */
const SECRET = "a pass phrase from long ago";
const EVENT = "user.joined_community";

/** The receiver of the project: it knows the body's signature, and none of the newer headers. */
function verifies({ headers, body }: Received): boolean {
  const expected = `sha256=${createHmac("sha256", SECRET).update(body).digest("hex")}`;
  return headers.get("x-webhook-signature") === expected;
}

async function emit({ sql }: TestDatabase, n: number): Promise<void> {
  const data = JSON.stringify({ community_id: `c${n}`, member_count: n });
  await sql.begin(async (tx) => {
    await tx`set local role authenticated`;
    await tx`select public.dispatch_webhook(${EVENT}, ${data}::text::jsonb, gen_random_uuid())`;
  });
}

/** What the old dispatcher has left: pending, tried, failed and delivered. */
async function leftBehind(database: TestDatabase, url: string): Promise<void> {
  const { sql } = database;
  await insertEndpoint(sql, { name: "old receiver", url, events: [EVENT], secret_key: SECRET });
  for (const n of [1, 2, 3, 4]) await emit(database, n);
  const set = (n: number, columns: Record<string, string | number>) =>
    sql`update public.webhook_deliveries set last_attempt_at = now() - interval '1 day', ${sql(columns)}
      where payload->'data'->>'community_id' = ${`c${n}`}`;
  await set(2, { attempts: 2, response_status: 500, error_message: "HTTP 500: Internal Server Error" });
  await set(3, {
    status: "failed",
    attempts: 5,
    response_status: 502,
    error_message: "Max retries exceeded",
  });
  await set(4, { status: "delivered", attempts: 1, response_status: 200, response_body: "ok" });
}

async function rows({ sql }: TestDatabase): Promise<Record<string, DeliveryRow["status"]>> {
  const found = await sql`
    select payload->'data'->>'community_id' as id, status from public.webhook_deliveries order by 1`;
  return Object.fromEntries(found.map(({ id, status }) => [id, status]));
}

async function withDispatcher(
  database: TestDatabase,
  variables: Record<string, string>,
  body: (served: FunctionProcess) => Promise<void>,
): Promise<void> {
  const keys = { SUPABASE_SERVICE_ROLE_KEY: SERVICE_ROLE_KEY };
  const served = await startFunction("webhook-dispatcher", database.url, { ...keys, ...variables });
  try {
    await body(served);
  } finally {
    await served.end("SIGKILL");
  }
}

databaseTest("what is left behind arrives, and an old receiver verifies all of it", async (database) => {
  await withReceiver(undefined, async (receiver) => {
    await leftBehind(database, receiver.url);
    await withDispatcher(database, {}, async ({ url, call }) => {
      // The schedule of before, with the key of before.
      const answer = await fetch(url, {
        method: "POST",
        headers: { authorization: `Bearer ${SERVICE_ROLE_KEY}`, "content-type": "application/json" },
      });
      assert.equal(answer.status, 200);
      const { processed, failed, total } = await answer.json();
      assert.deepEqual({ processed, failed, total }, { processed: 2, failed: 0, total: 2 });
      assert.deepEqual(await rows(database), {
        c1: "delivered",
        c2: "delivered",
        c3: "failed",
        c4: "delivered",
      });

      // What had failed is sent when somebody says so.
      const { replay } = await (await call({ replay: { event_type: EVENT } })).json();
      assert.deepEqual([replay.matched, replay.replayed], [1, 1]);
      assert.equal((await rows(database)).c3, "delivered");
    });
    const ids = receiver.received.map(({ text }) => JSON.parse(text).data.community_id);
    assert.deepEqual(ids.sort(), ["c1", "c2", "c3"]);
    for (const request of receiver.received) {
      assert.equal(request.method, "POST");
      assert.equal(request.headers.get("content-type"), "application/json");
      assert(verifies(request), request.text);
      assert.equal(verifies({ ...request, body: new TextEncoder().encode(`${request.text} `) }), false);
      const keys = Object.keys(JSON.parse(request.text));
      for (const key of ["event", "timestamp", "actor_user_id", "data", "request_id"]) {
        assert(keys.includes(key));
      }
    }
  });
});

databaseTest("with the switches off a receiver gets what it got, to the byte", async (database) => {
  const off = {
    WEBHOOK_IDEMPOTENCY_KEYS: "off",
    WEBHOOK_STANDARD_WEBHOOKS: "off",
    WEBHOOK_TRACE_CONTEXT: "off",
  };
  await withReceiver(undefined, async (receiver) => {
    await leftBehind(database, receiver.url);
    await withDispatcher(database, off, async ({ call }) => {
      assert.equal((await (await call()).json()).processed, 2);
    });
    const stored = await database.sql`
      select payload::text as text from public.webhook_deliveries where attempts > 0 and status = 'delivered'
      and payload->'data'->>'community_id' <> 'c4'`;
    assert.deepEqual(receiver.received.map(({ text }) => text).sort(), stored.map(({ text }) => text).sort());
    const transport = ["accept", "accept-encoding", "connection", "content-length", "host", "user-agent"];
    for (const request of receiver.received) {
      assert(verifies(request));
      const names = [...request.headers.keys()].filter((name) => !transport.includes(name));
      assert.deepEqual(names.sort(), ["content-type", "x-webhook-signature"]);
    }
  });
});

databaseTest("the way back: what is left is what the old dispatcher takes", async (database) => {
  let isBroken = true;
  const answer = () => new Response(null, { status: isBroken ? 500 : 200 });
  await withReceiver(answer, async (receiver) => {
    await leftBehind(database, receiver.url);
    await withDispatcher(database, {}, async ({ call }) => {
      assert.equal((await (await call()).json()).retrying, 2);
    });
    isBroken = false;
    // As an old dispatcher does it: what is pending, without a thought for when it is due.
    const pending = await database.sql`
      select d.id, d.payload, d.attempts, c.url, c.secret_key
      from public.webhook_deliveries d join public.webhook_configurations c on c.id = d.webhook_config_id
      where d.status = 'pending'`;
    assert.deepEqual(pending.map(({ attempts }) => attempts).sort(), [1, 3]);
    for (const { id, payload, attempts, url, secret_key } of pending) {
      const body = JSON.stringify(payload);
      const signature = `sha256=${createHmac("sha256", secret_key).update(body).digest("hex")}`;
      const sent = await fetch(url, { method: "POST", headers: { "x-webhook-signature": signature }, body });
      await sent.body?.cancel();
      await database.sql`update public.webhook_deliveries
        set status = 'delivered', attempts = ${
        attempts + 1
      }, response_status = ${sent.status} where id = ${id}`;
    }
    assert(receiver.received.slice(-2).every(verifies));
    assert.deepEqual(await rows(database), {
      c1: "delivered",
      c2: "delivered",
      c3: "failed",
      c4: "delivered",
    });
    // And here again, there is nothing to do.
    await withDispatcher(database, {}, async ({ call }) => {
      assert.equal((await (await call()).json()).total, 0);
    });
  });
});
