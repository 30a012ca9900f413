/** Receivers that fail, stall, refuse and come back, and a database that goes away: nothing is lost. */

import assert from "node:assert/strict";
import { createHandler as createHealth } from "../../functions/webhook-health/handler.ts";
import { createDispatch } from "../../functions/webhook-dispatcher/dispatch.ts";
import { createHandler } from "../../functions/webhook-dispatcher/handler.ts";
import type { Runtime } from "../../functions/_shared/runtime.ts";
import type { Run } from "../../functions/_shared/tracing.ts";
import {
  age,
  databaseTest,
  deliveries,
  insertDeliveries,
  insertEndpoint,
  type TestDatabase,
} from "../support/database.ts";
import { type Received, startReceiver, traceOf, withReceiver } from "../support/receiver.ts";
import { post, testRuntime, withOwnConnection } from "../support/runtime.ts";

interface Summary {
  processed: number;
  failed: number;
  retrying: number;
  exhausted: number;
  remaining: number;
  due: number;
}

/** A call of a dispatcher that has just started: it knows what the tables say and nothing else. */
async function dispatch(database: TestDatabase, variables: Record<string, string> = {}): Promise<Summary> {
  const answer = await createHandler(testRuntime(database, variables))(post());
  assert.equal(answer.status, 200);
  return await answer.json();
}

databaseTest("a failed attempt is repeated by the same call where that is soon enough", async (database) => {
  await withReceiver(
    (_request, count) => new Response(null, { status: count === 1 ? 500 : 200 }),
    async (receiver) => {
      await insertDeliveries(database.sql, await insertEndpoint(database.sql, { url: receiver.url }));
      const variables = { WEBHOOK_RETRY_SCHEDULE: "100ms,1h", WEBHOOK_RETRY_WAIT: "5s" };
      const { processed, failed } = await dispatch(database, variables);
      assert.deepEqual([processed, failed], [1, 1]);
      const [row] = await deliveries(database.sql);
      assert.deepEqual([row?.status, row?.attempts], ["delivered", 2]);
    },
  );
});

databaseTest("client errors are given up after a few tries, with their reason", async (database) => {
  await withReceiver(() => new Response("bad event", { status: 422 }), async (receiver) => {
    const { sql } = database;
    await insertDeliveries(sql, await insertEndpoint(sql, { url: receiver.url }));
    for (let attempt = 1; attempt <= 2; attempt++) {
      await dispatch(database, { WEBHOOK_CLIENT_ERROR_ATTEMPTS: "2" });
      await age(sql, "1 minute");
    }
    const [row] = await deliveries(sql);
    assert.deepEqual([
      row?.status,
      row?.attempts,
      row?.response_status,
      row?.response_body,
      row?.error_message,
    ], [
      "failed",
      2,
      422,
      "bad event",
      `HTTP 422; trace ${traceOf(receiver.received[0]!)}; gave up after attempt 2`,
    ]);
    assert.equal(receiver.received.length, 2);
  });
});

databaseTest("an answer of 410 switches the endpoint off and ends what it is owed", async (database) => {
  const { sql } = database;
  await withReceiver(() => new Response(null, { status: 410 }), async (receiver) => {
    const endpoint = await insertEndpoint(sql, { url: receiver.url });
    await insertDeliveries(sql, endpoint, 200);
    const { remaining } = await dispatch(database, { WEBHOOK_CONCURRENCY: "4" });
    assert.equal(remaining, 0);
    assert(receiver.received.length < 20, String(receiver.received.length));
    const rows = await deliveries(sql);
    assert(rows.every(({ status, error_message }) => status === "failed" && /410/.test(error_message!)));
    const [config] = await sql`select is_active from public.webhook_configurations`;
    assert.equal(config?.is_active, false);
  });
});

databaseTest("a wish to be left alone holds for all deliveries of the endpoint", async (database) => {
  const { sql } = database;
  let status = 429;
  const answer = () => new Response(null, { status, headers: { "retry-after": "7" } });
  await withReceiver(answer, async (receiver) => {
    const endpoint = await insertEndpoint(sql, { url: receiver.url });
    await insertDeliveries(sql, endpoint, 1);
    await dispatch(database);
    const [row] = await deliveries(sql);
    const trace = traceOf(receiver.received[0]!);
    const reason = `HTTP 429, asked to wait 7 s; trace ${trace}; attempt 1 of 16, next in 7 s`;
    assert.equal(row?.error_message, reason);
    await insertDeliveries(sql, endpoint, 5);
    status = 200;
    assert.equal((await dispatch(database)).processed, 0);
    await age(sql, "7 seconds");
    assert.equal((await dispatch(database)).processed, 6);
    assert.equal(receiver.received.length, 7);
  });
});

databaseTest("a breaker opens, is seen by all, lets one probe through and closes", async (database) => {
  const { sql } = database;
  let status = 500;
  let probing: { underWay: number; most: number } | undefined;
  const answer = async () => {
    if (probing) probing.most = Math.max(probing.most, ++probing.underWay);
    await Promise.resolve();
    if (probing) probing.underWay--;
    return new Response(null, { status });
  };
  await withReceiver(answer, async (receiver) => {
    await insertDeliveries(sql, await insertEndpoint(sql, { url: receiver.url }), 40);
    const first = await dispatch(database);
    const sent = receiver.received.length;
    assert(sent >= 5 && sent <= 12, `${sent} before it opened`);
    assert.deepEqual([first.processed, first.failed, first.remaining], [0, sent, 40]);
    // It waits without using up attempts.
    assert.equal((await deliveries(sql)).filter(({ attempts }) => attempts === 0).length, 40 - sent);

    // Another dispatcher, started just now, sees the same, and so does health.
    await age(sql, "1 minute");
    assert.equal((await dispatch(database)).failed, 0);
    const health = await createHealth(testRuntime(database))(
      new Request("http://localhost/", { headers: post().headers }),
    );
    assert.equal(health.status, 503);
    const { open, configs } = (await health.json()).circuit_breakers;
    assert.deepEqual([open, configs[0].state, configs[0].failures_in_a_row], [1, "open", sent]);
    assert(configs[0].probe_in_s > 230 && configs[0].probe_in_s <= 240, String(configs[0].probe_in_s));

    // Five minutes after the last failure one probe is sent; it fails, and the breaker is open again.
    await age(sql, "4 minutes");
    assert.equal((await dispatch(database)).failed, 1);
    assert.equal(receiver.received.length, sent + 1);
    await age(sql, "5 minutes");
    status = 200;
    probing = { underWay: 0, most: 0 };
    const last = await dispatch(database);
    assert.deepEqual([last.processed, last.remaining], [40, 0]);
    assert((await deliveries(sql)).every((row) => row.status === "delivered"));
    const after = await createHealth(testRuntime(database))(new Request("http://localhost/"));
    assert.equal((await after.json()).circuit_breakers.open, 0);
  });
});

databaseTest("a switched-off breaker goes on sending", async (database) => {
  await withReceiver(() => new Response(null, { status: 500 }), async (receiver) => {
    await insertDeliveries(database.sql, await insertEndpoint(database.sql, { url: receiver.url }), 40);
    assert.equal((await dispatch(database, { WEBHOOK_BREAKER_FAILURES: "0" })).failed, 40);
  });
});

databaseTest("a rate paces and fails nothing, and a new dispatcher knows what was sent", async (database) => {
  const { sql } = database;
  await withReceiver(undefined, async (receiver) => {
    const url = `${receiver.url}/hook#rate=2/h`;
    await insertDeliveries(sql, await insertEndpoint(sql, { url }), 5);
    const summary = await dispatch(database);
    assert.deepEqual([summary.processed, summary.failed, summary.due], [1, 0, 4]);
    assert.equal(receiver.received[0]?.path, "/hook");
    assert.equal((await dispatch(database)).processed, 1);
    assert.equal((await dispatch(database)).processed, 0);
    assert.equal((await deliveries(sql)).filter(({ attempts }) => attempts === 0).length, 3);
    // An hour later.
    await sql`update public.webhook_deliveries set last_attempt_at = last_attempt_at - interval '1 hour'`;
    assert.equal((await dispatch(database)).processed, 1);
  });
});

databaseTest("a call waits for the next token and delivers everything", async (database) => {
  await withReceiver(undefined, async (receiver) => {
    const url = `${receiver.url}/#rate=40/s`;
    await insertDeliveries(database.sql, await insertEndpoint(database.sql, { url }), 12);
    const summary = await dispatch(database, { WEBHOOK_RETRY_WAIT: "5s" });
    assert.deepEqual([summary.processed, summary.failed, summary.due], [12, 0, 0]);
  });
});

databaseTest("slow endpoints do not hold up a healthy one", async (database) => {
  const { sql } = database;
  const healthyDone = Promise.withResolvers<void>();
  const slow = [1, 2, 3].map(() =>
    startReceiver(async () => {
      // If the healthy one had to wait for these, both would wait until the time-out.
      await healthyDone.promise;
      return new Response();
    })
  );
  const healthy = startReceiver((_request, count) => {
    if (count === 100) healthyDone.resolve();
    return new Response();
  });
  try {
    // Theirs are the oldest, and more than there are slots.
    for (const { url } of slow) await insertDeliveries(sql, await insertEndpoint(sql, { url }), 60);
    await insertDeliveries(sql, await insertEndpoint(sql, { url: healthy.url }), 100);
    const summary = await dispatch(database, { WEBHOOK_CONCURRENCY: "40" });
    assert.deepEqual([summary.processed, summary.failed], [280, 0]);
  } finally {
    for (const receiver of [...slow, healthy]) await receiver.stop();
  }
});

databaseTest(
  "connections that the database drops in flight cost no delivery and send none twice",
  async (database) => {
    const { sql, url } = database;
    const name = new URL(url).pathname.slice(1);
    const dropAll = () =>
      sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = ${name} and pid <> pg_backend_pid() and application_name = 'supabase-webhooks'`;
    const answer = async (_request: Received, count: number) => {
      if (count % 20 === 0) await dropAll();
      return new Response();
    };
    await withReceiver(answer, async (receiver) => {
      const ids = await insertDeliveries(sql, await insertEndpoint(sql, { url: receiver.url }), 60);
      await withOwnConnection(database, async (runtime) => {
        let processed = 0;
        // A claim that breaks ends the call; the next one goes on.
        for (let calls = 0; calls < 10 && processed < 60; calls++) {
          const { status } = await createHandler(runtime)(post());
          assert([200, 503].includes(status), String(status));
          processed = (await deliveries(sql)).filter(({ status }) => status === "delivered").length;
          // What a claim took whose answer was lost waits for the end of its lease.
          await age(sql, "2 minutes");
        }
        assert.equal(processed, 60);
        // The receiver's own statements may take long on a busy machine.
      }, { WEBHOOK_REQUEST_TIMEOUT: "60s" });
      const arrived = receiver.received.map(({ headers }) => headers.get("webhook-id")!);
      assert.deepEqual(arrived.toSorted(), ids.toSorted());
    });
  },
);

databaseTest("two calls at once in one isolate do not settle each other's deliveries", async (database) => {
  const { sql, store } = database;
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  let givenBack = 0;
  const runtime: Runtime = {
    ...testRuntime(database),
    store: () => ({
      ...store,
      giveBack: (rows) => {
        givenBack++;
        return store.giveBack(rows);
      },
    }),
  };
  const dispatch = createDispatch(runtime);
  const run: Run = { traced: (parts) => parts, traceparent: null };
  const slow = startReceiver(async () => {
    await released;
    return new Response();
  });
  await withReceiver(async () => {
    await new Promise((resolve) => setTimeout(resolve, 3));
    return new Response();
  }, async (quick) => {
    await insertDeliveries(sql, await insertEndpoint(sql, { url: slow.url }));
    const first = dispatch(run, { timeBudgetMs: 100, pollMs: null });
    await slow.arrived(1);
    await insertDeliveries(sql, await insertEndpoint(sql, { url: quick.url }), 1_000);
    const second = await dispatch(run, { timeBudgetMs: 20_000, pollMs: null });
    release();
    const { processed, failed } = await first;
    assert.deepEqual([processed, failed, second.processed, second.failed], [1, 0, 1_000, 0]);
    assert.equal(quick.received.length, 1_000);
    assert.equal(givenBack, 0);
  });
  await slow.stop();
});
