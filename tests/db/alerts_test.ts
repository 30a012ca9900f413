/** Alerts: each threshold on a real database, what is sent when, and that it is sent once. */

import assert from "node:assert/strict";
import type postgres from "postgres";
import { alertEvent, readSettings } from "../../functions/_shared/core.ts";
import { connect, createStore } from "../../functions/_shared/store.ts";
import { createHandler as createDispatcher } from "../../functions/webhook-dispatcher/handler.ts";
import { createHandler as createHealth } from "../../functions/webhook-health/handler.ts";
import { age, databaseTest, insertEndpoint, type TestDatabase } from "../support/database.ts";
import { type AlertData, withListeners } from "../support/listeners.ts";
import { withReceiver } from "../support/receiver.ts";
import { post, SECRET_KEY, testRuntime, withOwnConnection } from "../support/runtime.ts";

interface Columns {
  status: string;
  count?: number;
  attempts?: number;
  ago?: string;
  error?: string | null;
}

async function insert(sql: postgres.Sql, endpoint: string, columns: Columns): Promise<void> {
  const { status, count = 1, attempts = 1, ago = "1 minute", error = null } = columns;
  await sql`
    insert into public.webhook_deliveries
      (webhook_config_id, event_type, payload, status, attempts, error_message, created_at, last_attempt_at)
    select ${endpoint}, 'order.paid', '{}', ${status}, ${attempts}, ${error}, now() - ${ago}::text::interval,
      case when ${attempts}::integer > 0 then now() - ${ago}::text::interval end
    from generate_series(1, ${count}::integer)`;
}

async function dispatch(database: TestDatabase, variables: Record<string, string> = {}) {
  const answer = await createDispatcher(testRuntime(database, variables))(post());
  assert.equal(answer.status, 200);
  return await answer.json();
}

async function health(
  database: TestDatabase,
  variables: Record<string, string> = {},
  method = "GET",
): Promise<number> {
  const request = new Request("http://localhost/webhook-health", { method });
  return (await createHealth(testRuntime(database, variables))(request)).status;
}

const told = (alerts: AlertData[]) => alerts.map(({ cause, state }) => `${cause} ${state}`);

/** Lets so much time pass for the alerts. */
async function later(sql: postgres.Sql, interval: string): Promise<void> {
  await sql`
    update public.webhook_deliveries set created_at = created_at - ${interval}::text::interval
    where event_type = 'webhook.alert'`;
}

databaseTest(
  "more than half of the last hour's deliveries failed, until they do no more",
  async (database) => {
    await withListeners(database, async ({ variables, heard }) => {
      const { sql } = database;
      const endpoint = await insertEndpoint(sql, { url: "https://a.example/" });
      await insert(sql, endpoint, { status: "delivered", count: 5 });
      await insert(sql, endpoint, { status: "failed", count: 5, error: "not sent: gone" });
      await dispatch(database, variables);
      assert.deepEqual(heard(), []);

      await insert(sql, endpoint, { status: "failed", error: "not sent: gone" });
      // What is raised is delivered by the same call.
      assert.equal((await dispatch(database, variables)).processed, 3);
      const [alert] = heard();
      assert.deepEqual([alert?.cause, alert?.state, alert?.endpoint], ["failure_rate", "firing", null]);
      assert.deepEqual(alert?.figures, {
        failed: 6,
        finished: 11,
        failure_percent: 54,
        threshold_percent: 50,
      });

      // It is open: an hour passes before it is said again.
      await dispatch(database, variables);
      await later(sql, "59 minutes");
      await dispatch(database, variables);
      assert.deepEqual(heard(), []);
      await later(sql, "1 minute");
      await dispatch(database, variables);
      const [reminder] = heard();
      assert.deepEqual([reminder?.state, reminder?.since], ["reminder", alert?.since]);

      await insert(sql, endpoint, { status: "delivered", count: 20 });
      await dispatch(database, variables);
      const [resolved] = heard();
      assert.deepEqual([resolved?.state, resolved?.since], ["resolved", alert?.since]);
      assert.deepEqual(resolved?.figures, { failed: 6, finished: 31 });
      await dispatch(database, variables);
      assert.deepEqual(heard(), []);
    });
  },
);

databaseTest("more than a hundred are pending when a run is over", async (database) => {
  await withListeners(database, async ({ variables, heard }) => {
    const { sql } = database;
    const endpoint = await insertEndpoint(sql, { url: "https://a.example/" });
    const error = "not sent: no key; attempt 1 of 9, next in 9000 s";
    await insert(sql, endpoint, { status: "pending", count: 100, error });
    await dispatch(database, variables);
    assert.deepEqual(heard(), []);
    await insert(sql, endpoint, { status: "pending", error });
    await dispatch(database, variables);
    const [alert] = heard();
    assert.deepEqual([alert?.cause, alert?.state], ["pending", "firing"]);
    assert.deepEqual(alert?.figures, { pending: 101, threshold: 100 });
    await sql`update public.webhook_deliveries set status = 'delivered' where event_type <> 'webhook.alert'`;
    await dispatch(database, variables);
    assert.deepEqual(told(heard()), ["pending resolved"]);
  });
});

databaseTest("a threshold is the environment's", async (database) => {
  await withListeners(database, async ({ variables, heard }) => {
    const { sql } = database;
    const endpoint = await insertEndpoint(sql, { url: "https://a.example/" });
    await insert(sql, endpoint, {
      status: "pending",
      count: 3,
      error: "not sent: no key; attempt 1 of 9, next in 9000 s",
    });
    const dispatchWith = (thresholds: Record<string, string>) =>
      withOwnConnection(database, async (runtime) => {
        assert.equal((await createDispatcher(runtime)(post())).status, 200);
      }, { ...variables, ...thresholds });
    await dispatchWith({ WEBHOOK_ALERTS: "off", WEBHOOK_ALERT_PENDING: "2" });
    assert.deepEqual(heard(), []);
    await dispatchWith({ WEBHOOK_ALERT_PENDING: "2" });
    assert.deepEqual(heard().map(({ figures }) => figures), [{ pending: 3, threshold: 2 }]);
  });
});

databaseTest(
  "a breaker that opens is said within the same run, and its end by the run that ends it",
  async (database) => {
    await withListeners(database, async ({ variables, heard }) => {
      const { sql } = database;
      let status = 500;
      await withReceiver(() => new Response("", { status }), async (shop) => {
        const id = await insertEndpoint(sql, { name: "shop", url: shop.url });
        await insert(sql, id, { status: "pending", attempts: 0, count: 5 });
        const summary = await dispatch(database, variables);
        assert.equal(summary.retrying, 5);
        const [alert, ...more] = heard();
        assert.deepEqual(more, []);
        assert.deepEqual([alert?.cause, alert?.state, alert?.severity], [
          "circuit_breaker",
          "firing",
          "critical",
        ]);
        assert.deepEqual(alert?.endpoint, { id, name: "shop" });
        assert.equal(alert?.figures.failures_in_a_row, 5);

        status = 200;
        await age(sql, "6 minutes");
        await dispatch(database, variables);
        const ended = heard();
        assert.deepEqual(told(ended), ["circuit_breaker resolved"]);
        assert.deepEqual(ended[0]?.endpoint, { id, name: "shop" });
      });
    });
  },
);

databaseTest(
  "an endpoint that answers 410 is said to be switched off, until it is switched on",
  async (database) => {
    await withListeners(database, async ({ variables, heard }) => {
      const { sql } = database;
      await withReceiver(() => new Response("", { status: 410 }), async (shop) => {
        const id = await insertEndpoint(sql, { name: "shop", url: shop.url });
        await insert(sql, id, { status: "pending", attempts: 0 });
        await dispatch(database, variables);
        const [alert, ...more] = heard();
        assert.deepEqual(more, []);
        assert.deepEqual([alert?.cause, alert?.endpoint], ["endpoint_switched_off", { id, name: "shop" }]);
        // The failure is old by now, and the endpoint is off still: it is reminded of, and not resolved.
        await sql`update public.webhook_deliveries set last_attempt_at = last_attempt_at - interval '2 hours'`;
        await dispatch(database, variables);
        assert.deepEqual(heard(), []);
        await later(sql, "1 hour");
        await dispatch(database, variables);
        assert.deepEqual(told(heard()), ["endpoint_switched_off reminder"]);
        await sql`update public.webhook_configurations set is_active = true where id = ${id}`;
        await dispatch(database, variables);
        assert.deepEqual(told(heard()), ["endpoint_switched_off resolved"]);
      });
    });
  },
);

databaseTest(
  "whoever asks for health notices a dispatcher that does not run, and says so",
  async (database) => {
    await withListeners(database, async ({ variables, heard }) => {
      const { sql } = database;
      await withReceiver(undefined, async (shop) => {
        const id = await insertEndpoint(sql, { name: "shop", url: shop.url });
        await insert(sql, id, { status: "pending", attempts: 0, ago: "4 minutes" });
        assert.equal(await health(database, variables), 200);
        assert.deepEqual(heard(), []);
        await sql`update public.webhook_deliveries set created_at = now() - interval '6 minutes'`;
        assert.equal(await health(database, variables, "HEAD"), 503);
        const [alert] = heard();
        assert.deepEqual([alert?.cause, alert?.state], ["dispatcher_not_running", "firing"]);
        assert.equal(alert?.figures.threshold_s, 300);
        // An alert that was sent is no sign of life, and it is open.
        assert.equal(await health(database, variables), 503);
        assert.deepEqual(heard(), []);
        const [delivery] = await sql`
        select status, attempts from public.webhook_deliveries where event_type = 'webhook.alert'`;
        assert.deepEqual(delivery, { status: "delivered", attempts: 1 });
        assert.equal(shop.received.length, 0);

        assert.equal((await dispatch(database, variables)).processed, 4);
        assert.deepEqual(told(heard()), ["dispatcher_not_running resolved"]);
        assert.equal(await health(database, variables), 200);
      });
    });
  },
);

databaseTest("an alert that the listener does not take waits for the next call", async (database) => {
  const { sql } = database;
  let status = 500;
  await withReceiver(() => new Response("", { status }), async (receiver) => {
    await insertEndpoint(sql, { url: receiver.url, events: [alertEvent()] });
    const id = await insertEndpoint(sql, { url: "https://a.example/" });
    await insert(sql, id, { status: "pending", attempts: 0, ago: "6 minutes" });
    assert.equal(await health(database), 503);
    const [waiting] = await sql`select * from public.webhook_deliveries where event_type = 'webhook.alert'`;
    assert.deepEqual([waiting?.status, waiting?.attempts], ["pending", 1]);
    assert.match(waiting?.error_message, /^HTTP 500; trace [0-9a-f]{32}; attempt 1 of 16, next in 2 s$/);
    // Not before its time.
    assert.equal(await health(database), 503);
    assert.equal(receiver.received.length, 1);
    status = 200;
    await age(sql, "3 seconds");
    assert.equal(await health(database), 503);
    assert.equal(receiver.received.length, 2);
    assert.equal(
      receiver.received[0]!.headers.get("webhook-id"),
      receiver.received[1]!.headers.get("webhook-id"),
    );
  });
});

databaseTest("alerts that fail raise no alert and make nothing unhealthy", async (database) => {
  const { sql } = database;
  await withReceiver(() => new Response("", { status: 500 }), async (receiver) => {
    const listener = await insertEndpoint(sql, { url: receiver.url, events: [alertEvent()] });
    await sql`
      insert into public.webhook_deliveries (webhook_config_id, event_type, payload, created_at)
      select ${listener}, 'webhook.alert', '{}', now() - interval '10 minutes' from generate_series(1, 150)`;
    assert.equal(await health(database), 200);
    await dispatch(database, { WEBHOOK_MAX_ATTEMPTS: "1" });
    assert(receiver.received.length >= 5);
    assert.equal(await health(database), 200);
    const alerts = await sql`select from public.webhook_deliveries where payload <> '{}'`;
    assert.equal(alerts.length, 0);
    // The breaker that holds them back is shown all the same.
    const request = new Request("http://localhost/", { headers: { apikey: SECRET_KEY } });
    const report = await (await createHealth(testRuntime(database))(request)).json();
    assert.deepEqual([report.healthy, report.circuit_breakers.open], [true, 1]);
  });
});

databaseTest("two isolates that cross a threshold at once send one alert", async (database) => {
  await withListeners(database, async ({ variables, heard }) => {
    const { sql } = database;
    const endpoint = await insertEndpoint(sql, { url: "https://a.example/" });
    await insert(sql, endpoint, {
      status: "pending",
      count: 101,
      error: "not sent: no key; attempt 1 of 9, next in 9000 s",
    });
    const isolates = Array.from({ length: 4 }, () => connect(database.url));
    try {
      const raised = await Promise.all(
        isolates.map((own) => createStore(own, readSettings(() => undefined)).raiseAlerts("all")),
      );
      assert.deepEqual(raised.map(({ alerts }) => alerts.length).sort(), [0, 0, 0, 1]);
      await sql`update public.webhook_deliveries set status = 'delivered' where event_type <> 'webhook.alert'`;
      const resolved = await Promise.all(
        isolates.map((own) => createStore(own, readSettings(() => undefined)).raiseAlerts("all")),
      );
      assert.deepEqual(resolved.map(({ alerts }) => alerts.length).sort(), [0, 0, 0, 1]);
    } finally {
      await Promise.all(isolates.map((own) => own.end()));
    }
    await dispatch(database, variables);
    assert.deepEqual(told(heard()).sort(), ["pending firing", "pending resolved"]);
  });
});

databaseTest("all who listen hear it, and a test of an alert is none", async (database) => {
  const { sql } = database;
  await withReceiver(undefined, async (receiver) => {
    const listeners = [];
    for (const name of ["one", "two"]) {
      listeners.push(await insertEndpoint(sql, { name, url: receiver.url, events: ["x", alertEvent()] }));
    }
    await insertEndpoint(sql, { url: receiver.url, events: [alertEvent()], is_active: false });
    const other = await insertEndpoint(sql, { url: "https://a.example/" });
    const test = {
      event: alertEvent(),
      test: true,
      data: { cause: "pending", state: "firing", since: "2026-01-29T10:00:00Z" },
    };
    await sql`
      insert into public.webhook_deliveries (webhook_config_id, event_type, payload, status)
      values (${listeners[0]!}, 'webhook.alert', ${JSON.stringify(test)}::text::jsonb, 'delivered')`;
    await insert(sql, other, {
      status: "pending",
      count: 101,
      error: "not sent: no key; attempt 1 of 9, next in 9000 s",
    });
    await dispatch(database);
    const envelopes = receiver.received.map(({ text }) => JSON.parse(text));
    assert.deepEqual(told(envelopes.map(({ data }) => data)), ["pending firing", "pending firing"]);
    assert.equal(new Set(envelopes.map(({ request_id }) => request_id)).size, 1);
  });
});

databaseTest("alerts that somebody else has emitted do not keep ours from being sent", async (database) => {
  await withListeners(database, async ({ variables, heard }) => {
    const { sql } = database;
    const forged = [
      "null",
      "[]",
      '{"cause": 7, "state": "firing", "since": "2026-01-29T10:00:00Z", "endpoint": null}',
      '{"cause": "pending", "state": "firing", "since": "2026-99-99T10:00:00Z", "endpoint": "e"}',
      '{"cause": "pending", "state": "firing", "since": null, "endpoint": null}',
      '{"cause": "moon", "state": "firing", "since": "soon", "endpoint": null}',
      '{"cause": "pending", "state": "firing", "since": "2026-01-29T10:00:00Z", "endpoint": null}',
      '{"cause": "circuit_breaker", "state": "firing", "since": "soon", "endpoint": {"id": 7, "name": "x"}}',
    ];
    for (const data of forged) {
      await sql`select public.dispatch_webhook('webhook.alert', ${data}::text::jsonb)`;
    }
    await sql`
      insert into public.webhook_deliveries (webhook_config_id, event_type, payload, created_at, status)
      select id, 'webhook.alert', '{"alert": true, "data": {"cause": "pending", "state": "firing", "since": "x", "endpoint": null}}',
        'infinity', 'delivered'
      from public.webhook_configurations limit 1`;
    const endpoint = await insertEndpoint(sql, { url: "https://a.example/" });
    await sql`update public.webhook_deliveries set status = 'delivered'`;
    await insert(sql, endpoint, {
      status: "pending",
      count: 101,
      error: "not sent: no key; attempt 1 of 9, next in 9000 s",
    });
    await dispatch(database, variables);
    assert.deepEqual(told(heard()), ["pending firing"]);
  });
});
