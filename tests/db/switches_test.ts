/** The switches by which a project goes back to what its receivers saw before, one by one and all at once. */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createHandler } from "../../functions/webhook-dispatcher/handler.ts";
import { databaseTest, deliveries, insertEndpoint, type TestDatabase } from "../support/database.ts";
import { type Received, withReceiver } from "../support/receiver.ts";
import { post, withOwnConnection } from "../support/runtime.ts";

const SECRET = "a-plain-old-secret";

/** Delivers one event with these variables, and returns what arrived. */
async function received(database: TestDatabase, variables: Record<string, string>): Promise<Received> {
  const { sql } = database;
  let request: Received | undefined;
  await withReceiver(undefined, async (receiver) => {
    await insertEndpoint(sql, { url: receiver.url, secret_key: SECRET });
    await sql`select public.dispatch_webhook('order.paid', '{"n": 1.10}')`;
    await dispatch(database, variables);
    request = receiver.received[0];
  });
  await sql`delete from public.webhook_deliveries`;
  await sql`delete from public.webhook_configurations`;
  return request ?? assert.fail("nothing arrived");
}

async function dispatch(database: TestDatabase, variables: Record<string, string>) {
  let summary: { processed: number; failed: number; total: number } | undefined;
  await withOwnConnection(database, async (runtime) => {
    summary = await (await createHandler(runtime)(post())).json();
  }, variables);
  return summary!;
}

const NEW_HEADERS = [
  "webhook-id",
  "webhook-timestamp",
  "webhook-signature",
  "idempotency-key",
  "traceparent",
];

databaseTest("each switch takes away what is its own and nothing else", async (database) => {
  const cases: [Record<string, string>, string[], string[]][] = [
    [{}, [], []],
    [{ WEBHOOK_IDEMPOTENCY_KEYS: "off" }, ["idempotency-key"], ["idempotency_key"]],
    [{ WEBHOOK_STANDARD_WEBHOOKS: "off" }, ["webhook-id", "webhook-timestamp", "webhook-signature"], []],
    [{ WEBHOOK_TRACE_CONTEXT: "off" }, ["traceparent"], ["trace_id"]],
  ];
  for (const [variables, headers, keys] of cases) {
    const request = await received(database, variables);
    const missing = NEW_HEADERS.filter((name) => !request.headers.has(name));
    assert.deepEqual(missing, headers, JSON.stringify(variables));
    const envelope = JSON.parse(request.text);
    assert.deepEqual(["idempotency_key", "trace_id"].filter((key) => !(key in envelope)), keys);
    const hex = createHmac("sha256", SECRET).update(request.body).digest("hex");
    assert.equal(request.headers.get("x-webhook-signature"), `sha256=${hex}`);
  }
});

databaseTest("fetch sends where it is asked to", async (database) => {
  const bySockets = await received(database, {});
  const byFetch = await received(database, { WEBHOOK_TRANSPORT: "fetch" });
  const names = ({ headers }: Received) => [...headers.keys()];
  // Nobody but the runtime's own client asks for a compressed answer.
  assert.deepEqual([bySockets, byFetch].map((request) => names(request).includes("accept-encoding")), [
    false,
    true,
  ]);
  assert.deepEqual(names(bySockets).filter((name) => !byFetch.headers.has(name)), []);
  const { event, data } = JSON.parse(byFetch.text);
  assert.deepEqual([event, data], ["order.paid", { n: 1.1 }]);
});

databaseTest("all of them together give what receivers have always seen", async (database) => {
  const request = await received(database, {
    WEBHOOK_RETRY_SCHEDULE: "none",
    WEBHOOK_BREAKER_FAILURES: "0",
    WEBHOOK_IDEMPOTENCY_KEYS: "off",
    WEBHOOK_STANDARD_WEBHOOKS: "off",
    WEBHOOK_TRACE_CONTEXT: "off",
    WEBHOOK_PROTOCOLS: "http",
    WEBHOOK_ALERTS: "off",
  });
  assert.deepEqual([...request.headers.keys()].sort(), [
    "accept",
    "content-length",
    "content-type",
    "host",
    "user-agent",
    "x-webhook-signature",
  ]);
  // The row's own text, to the byte.
  const { event, timestamp, actor_user_id, data, request_id, ...more } = JSON.parse(request.text);
  assert.deepEqual([event, actor_user_id, data, more], ["order.paid", null, { n: 1.1 }, {}]);
  assert(timestamp && request_id);
  assert(request.text.includes('"n": 1.10'));
});

databaseTest("without delays and without a breaker each call makes one attempt", async (database) => {
  const { sql } = database;
  await withReceiver(() => new Response("", { status: 500 }), async (receiver) => {
    await insertEndpoint(sql, { url: receiver.url });
    await sql`select public.dispatch_webhook('order.paid', '{}') from generate_series(1, 7)`;
    const variables = {
      WEBHOOK_RETRY_SCHEDULE: "none",
      WEBHOOK_RETRY_WAIT: "60s",
      WEBHOOK_RETRY_JITTER: "0",
      WEBHOOK_BREAKER_FAILURES: "0",
    };
    for (let call = 1; call <= 3; call++) {
      assert.equal((await dispatch(database, variables)).failed, 7);
      assert.equal(receiver.received.length, 7 * call);
      await sql`update public.webhook_deliveries set last_attempt_at = last_attempt_at - interval '1 second'`;
    }
    const [row] = await deliveries(sql);
    assert.match(row!.error_message!, /; attempt 3 of 10, next in 1 s$/);
  });
});

databaseTest(
  "a protocol that is switched off fails with that reason, and can be replayed",
  async (database) => {
    const { sql } = database;
    await insertEndpoint(sql, { url: "sqs://orders" });
    await sql`select public.dispatch_webhook('order.paid', '{}')`;
    assert.equal((await dispatch(database, { WEBHOOK_PROTOCOLS: "http, kafka" })).failed, 1);
    const [row] = await deliveries(sql);
    assert.equal(row!.status, "failed");
    assert.match(
      row!.error_message!,
      /^not sent: url: sqs is not among WEBHOOK_PROTOCOLS; add it there, then replay this delivery; trace /,
    );
  },
);
