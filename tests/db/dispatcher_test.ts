/** The dispatcher's handler on a real database and a real receiver. */

import assert from "node:assert/strict";
import { Webhook } from "standardwebhooks";
import { createHandler } from "../../functions/webhook-dispatcher/handler.ts";
import { age, databaseTest, deliveries, insertDeliveries, insertEndpoint } from "../support/database.ts";
import { closedPort, traceOf, withReceiver } from "../support/receiver.ts";
import { post, SERVICE_ROLE_KEY, testRuntime } from "../support/runtime.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

databaseTest("delivers what is due, signed, and says what it did", async (database) => {
  await withReceiver(undefined, async (receiver) => {
    const endpoint = await insertEndpoint(database.sql, { url: receiver.url, secret_key: SECRET });
    const ids = await insertDeliveries(database.sql, endpoint, 120);
    const answer = await createHandler(testRuntime(database))(post());
    assert.equal(answer.status, 200);
    const { duration_ms, ...summary } = await answer.json();
    assert.equal(typeof duration_ms, "number");
    assert.deepEqual(summary, {
      processed: 120,
      failed: 0,
      total: 120,
      retrying: 0,
      exhausted: 0,
      remaining: 0,
      due: 0,
    });
    const verifier = new Webhook(SECRET);
    const verified = receiver.received.map((one) =>
      (verifier.verify(one.text, Object.fromEntries(one.headers)) as { idempotency_key: string })
        .idempotency_key
    );
    assert.equal(verified.length, 120);
    assert.deepEqual(new Set(verified), new Set(ids));
    for (const row of await deliveries(database.sql)) {
      assert.deepEqual(
        [row.status, row.attempts, row.response_status, row.response_body, row.error_message],
        [
          "delivered",
          1,
          200,
          "ok",
          null,
        ],
      );
    }
  });
});

databaseTest("a legacy bearer is a caller, too, and nobody else is", async (database) => {
  const handler = createHandler(testRuntime(database));
  assert.equal((await handler(post(undefined, { authorization: `Bearer ${SERVICE_ROLE_KEY}` }))).status, 200);
  for (const headers of [{}, { apikey: "wrong" }, { authorization: "Bearer wrong" }]) {
    const refused = await handler(post(undefined, headers as Record<string, string>));
    assert.equal(refused.status, 401);
    assert.equal(refused.headers.get("www-authenticate"), "Bearer");
    assert.equal((await refused.json()).error.code, "unauthorized");
  }
});

databaseTest("a receiver that fails is tried again with the same id, until it works", async (database) => {
  const answers = [500, 302, 200];
  await withReceiver(
    (_request, count) => new Response("no", { status: answers[count - 1]! }),
    async (receiver) => {
      const [id] = await insertDeliveries(
        database.sql,
        await insertEndpoint(database.sql, { url: receiver.url }),
      );
      const handler = createHandler(testRuntime(database));
      const dispatch = async () => await (await handler(post())).json();

      assert.deepEqual(pick(await dispatch()), { processed: 0, failed: 1, remaining: 1, due: 0 });
      assert.equal(
        (await deliveries(database.sql))[0]?.error_message,
        `HTTP 500; trace ${traceOf(receiver.received[0]!)}; attempt 1 of 16, next in 2 s`,
      );
      assert.equal((await deliveries(database.sql))[0]?.response_body, "no");
      // Not due yet: nothing is sent.
      assert.deepEqual(pick(await dispatch()), { processed: 0, failed: 0, remaining: 1, due: 0 });
      await age(database.sql, "2 seconds");
      assert.deepEqual(pick(await dispatch()), { processed: 0, failed: 1, remaining: 1, due: 0 });
      await age(database.sql, "4 seconds");
      assert.deepEqual(pick(await dispatch()), { processed: 1, failed: 0, remaining: 0, due: 0 });

      assert.deepEqual(receiver.received.map((one) => one.headers.get("webhook-id")), [id, id, id]);
      const spans = receiver.received.map((one) => one.headers.get("traceparent"));
      assert.equal(new Set(spans).size, 3);
      assert.equal(new Set(spans.map((span) => span!.slice(0, 35))).size, 1);
      assert.equal((await deliveries(database.sql))[0]?.attempts, 3);
    },
  );
});

function pick({ processed, failed, remaining, due }: Record<string, number>) {
  return { processed, failed, remaining, due };
}

databaseTest("a delivery that has used up its attempts fails with its reason", async (database) => {
  const url = `http://127.0.0.1:${closedPort()}/`;
  await insertDeliveries(database.sql, await insertEndpoint(database.sql, { url }));
  const answer = await createHandler(testRuntime(database, { WEBHOOK_MAX_ATTEMPTS: "1" }))(post());
  const { failed, exhausted, retrying, remaining } = await answer.json();
  assert.deepEqual({ failed, exhausted, retrying, remaining }, {
    failed: 1,
    exhausted: 1,
    retrying: 0,
    remaining: 0,
  });
  const [row] = await deliveries(database.sql);
  assert.equal(row?.status, "failed");
  assert.match(
    row!.error_message!,
    /^connection failed: .*refused.*; trace [0-9a-f]{32}; gave up after attempt 1$/i,
  );
});

databaseTest("rows that cannot be sent end with a reason and do not stop the others", async (database) => {
  await withReceiver(() => new Response("a\0b".repeat(600)), async (receiver) => {
    const { sql } = database;
    const bad = [
      { url: "example.com/no-scheme" },
      { url: "ftp://example.com/" },
      { url: "https://user:secret@example.com/" },
      { url: "sqs://orders?regoin=eu-west-1" },
      { url: receiver.url, is_active: false },
      { url: `${receiver.url}/#retries=5` },
      { url: "http://169.254.169.254/latest/meta-data" },
      { url: "http://[::ffff:10.0.0.1]/" },
    ];
    for (const columns of bad) await insertDeliveries(sql, await insertEndpoint(sql, columns));
    const good = await insertEndpoint(sql, { url: receiver.url });
    // Unknown types and odd payloads are the user's own: they are delivered.
    for (const payload of ["[1.10]", '"text"', "null", "{}"]) {
      await sql`insert into public.webhook_deliveries (webhook_config_id, event_type, payload)
        values (${good}, 'Any type, really', ${payload}::text::jsonb)`;
    }
    await sql`insert into public.webhook_deliveries (webhook_config_id, event_type, payload)
      values (${good}, 'order.paid', jsonb_build_object('text', repeat('x', 1100000)))`;
    const summary = await (await createHandler(testRuntime(database))(post())).json();
    assert.deepEqual(pick(summary), { processed: 4, failed: 9, remaining: 0, due: 0 });
    const rows = await deliveries(sql);
    const reasons = rows.filter((row) => row.status === "failed").map((row) => row.error_message);
    assert.equal(reasons.length, 9);
    for (const reason of reasons) {
      assert.match(reason!, /^not sent: ((url|endpoint): .*; trace [0-9a-f]{32}$|payload: )/);
    }
    assert(!reasons.join().includes("secret"));
    const bodies = receiver.received.map((one) => one.text);
    assert.equal(bodies.length, 4);
    assert(bodies.some((body) => body.includes('"data": [1.10]')), bodies.join("\n"));
    for (const body of bodies) assert.match(JSON.parse(body).trace_id, /^[0-9a-f]{32}$/);
    const kept = rows.find((row) => row.status === "delivered")?.response_body;
    assert.equal(kept?.length, 1_000);
    assert(kept!.startsWith("a\ufffdb"));
  });
});

databaseTest("what comes in meanwhile is delivered by the same run", async (database) => {
  let endpoint = "";
  const answer = async (_request: unknown, count: number) => {
    if (count === 1) await insertDeliveries(database.sql, endpoint, 1);
    return new Response();
  };
  await withReceiver(answer, async (receiver) => {
    endpoint = await insertEndpoint(database.sql, { url: receiver.url });
    await insertDeliveries(database.sql, endpoint, 2);
    assert.equal((await (await createHandler(testRuntime(database))(post())).json()).processed, 3);
  });
});

databaseTest("a run whose time is spent says what is left", async (database) => {
  await withReceiver(undefined, async (receiver) => {
    await insertDeliveries(database.sql, await insertEndpoint(database.sql, { url: receiver.url }), 10);
    let clock = Date.now();
    const runtime = testRuntime(database, { WEBHOOK_CONCURRENCY: "4" });
    // The time is over with the first request.
    const { carry } = runtime;
    const timed: typeof runtime = {
      ...runtime,
      now: () => clock,
      carry: (...args) => {
        clock += 60_000;
        return carry(...args);
      },
    };
    const { processed, remaining, due } = await (await createHandler(timed)(post())).json();
    assert.deepEqual({ processed, remaining, due }, { processed: 2, remaining: 8, due: 8 });
  });
});

databaseTest("a delivery whose last attempt had no outcome is not sent for ever", async (database) => {
  await withReceiver(undefined, async (receiver) => {
    const { sql } = database;
    await insertDeliveries(sql, await insertEndpoint(sql, { url: receiver.url }));
    await sql`update public.webhook_deliveries set attempts = 16, last_attempt_at = now() - interval '1 hour'`;
    const summary = await (await createHandler(testRuntime(database))(post())).json();
    assert.deepEqual(pick(summary), { processed: 0, failed: 1, remaining: 0, due: 0 });
    assert.match(
      (await deliveries(sql))[0]!.error_message!,
      /^not sent: all its 16 attempts are used up, and the last one had no outcome; trace [0-9a-f]{32}$/,
    );
    assert.equal(receiver.received.length, 0);
  });
});
