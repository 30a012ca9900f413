/** Traces: from a call of the dispatcher to a collector, and to the receivers. */

import assert from "node:assert/strict";
import * as conventions from "@opentelemetry/semantic-conventions/incubating";
import { createHandler } from "../../functions/webhook-dispatcher/handler.ts";
import { createHandler as createTestHandler } from "../../functions/test-webhook/handler.ts";
import { databaseTest, deliveries, insertDeliveries, insertEndpoint } from "../support/database.ts";
import { type Received, type Receiver, traceOf, withReceiver } from "../support/receiver.ts";
import { post, SECRET_KEY, testRuntime } from "../support/runtime.ts";
import { canReadTraces, type Span, spansOf } from "../support/traces.ts";

const CALLER = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" };
const AWS = { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: "s3cret-of-aws" };

function variablesFor(collector: Receiver): Record<string, string> {
  return {
    OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/s3cret-path/`,
    OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20s3cret-of-collector",
    OTEL_SERVICE_NAME: "hooks",
    OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
    SB_REGION: "eu-central-1",
    SB_EXECUTION_ID: "execution-7",
  };
}

function called({ traceId, spanId }: typeof CALLER, body?: unknown): Request {
  return post(body, { apikey: SECRET_KEY, traceparent: `00-${traceId}-${spanId}-01` });
}

/** Runs with a receiver and a collector. */
async function withCollector(
  answer: (request: Received) => Response,
  body: (receiver: Receiver, collector: Receiver) => Promise<void>,
): Promise<void> {
  await withReceiver(answer, (receiver) =>
    withReceiver(
      () => Response.json({ partialSuccess: {} }),
      (collector) => body(receiver, collector),
    ));
}

function byName(spans: Span[], name: string): Span[] {
  return spans.filter((span) => span.name === name);
}

/** As `databaseTest`, for what needs Python to be read. */
const traceTest: typeof databaseTest = (name, body) => {
  if (canReadTraces) databaseTest(name, body);
  else Deno.test({ name, ignore: true, fn: () => {} });
};

traceTest(
  "a run's spans go on with the caller's trace, and an attempt's is what its receiver is told",
  async (database) => {
    const { sql } = database;
    const answer = ({ path }: Received) =>
      path.startsWith("/good") ? new Response("ok") : new Response("s3cret-answer", { status: 500 });
    await withCollector(answer, async (receiver, collector) => {
      const good = await insertEndpoint(sql, {
        url: `${receiver.url}/good?token=s3cret-query&s3cret-word#timeout=3s`,
        secret_key: "s3cret-of-endpoint",
      });
      const bad = await insertEndpoint(sql, { url: `${receiver.url}/bad` });
      const queue = await insertEndpoint(sql, {
        url: `sqs://sqs.eu-west-1.amazonaws.com/123456789012/orders?endpoint=${receiver.url}`,
      });
      const off = await insertEndpoint(sql, { url: receiver.url, is_active: false });
      const [delivered] = await insertDeliveries(sql, good);
      const [failed] = await insertDeliveries(sql, bad);
      const queued = await insertDeliveries(sql, queue, 3);
      await insertDeliveries(sql, off);
      await sql`update public.webhook_deliveries set payload = payload || '{"data": "s3cret-payload"}'`;
      // An application that traces itself says what the event came of.
      const parent = { traceId: "11111111111111111111111111111111", spanId: "2222222222222222" };
      await sql`update public.webhook_deliveries set payload = payload || jsonb_build_object(
        'traceparent', ${`00-${parent.traceId}-${parent.spanId}-01`}::text) where id = ${failed!}`;

      const handler = createHandler(testRuntime(database, { ...variablesFor(collector), ...AWS }));
      const summary = await (await handler(called(CALLER))).json();
      assert.deepEqual([summary.processed, summary.failed], [1, 5]);

      const [one, ...more] = collector.received;
      assert.deepEqual([one?.path, more.length], ["/s3cret-path/v1/traces", 0]);
      assert.equal(one?.headers.get("authorization"), "Bearer s3cret-of-collector");
      assert.equal(one?.headers.get("content-type"), "application/json");
      assert(!one!.text.includes("s3cret"), one!.text);
      const [spans] = await spansOf(collector.received);
      assert(spans);
      for (const { resource, scope, startNs, endNs } of spans) {
        const { "service.version": version, ...rest } = resource;
        assert.match(version!, /^\d+\.\d+\.\d+$/);
        assert.deepEqual([scope, rest], ["supabase-webhooks", {
          "service.name": "hooks",
          "deployment.environment.name": "test",
          "faas.name": "test",
          "faas.instance": "execution-7",
          "cloud.region": "eu-central-1",
        }]);
        assert(BigInt(startNs) <= BigInt(endNs));
      }

      const [run] = byName(spans, "POST /functions/v1/test");
      assert(run);
      assert.deepEqual([run.traceId, run.parentSpanId], [CALLER.traceId, CALLER.spanId]);
      assert.deepEqual([run.kind, run.attributes["http.response.status_code"]], ["SPAN_KIND_SERVER", 200]);
      const own = spans.filter(({ parentSpanId }) => parentSpanId === run.spanId);
      assert(own.every(({ traceId }) => traceId === run.traceId));
      const names = new Set(own.map(({ name }) => name));
      const steps = ["claim webhook_deliveries", "plan", "record webhook_deliveries", "send orders"];
      assert.deepEqual([...names].sort(), steps);
      for (const { startNs, endNs } of own) {
        assert(BigInt(run.startNs) <= BigInt(startNs) && BigInt(endNs) <= BigInt(run.endNs));
      }

      const attempt = (id: string) =>
        spans.filter(({ attributes }) => attributes["webhook.delivery.id"] === id)[0]!;
      for (const [id, path] of [[delivered!, "/good"], [failed!, "/bad"]] as const) {
        const { traceId, spanId } = attempt(id);
        const request = receiver.received.find((request) => request.path.startsWith(path))!;
        assert.equal(request.headers.get("traceparent"), `00-${traceId}-${spanId}-01`);
      }
      const toRun = [{ traceId: run.traceId, spanId: run.spanId }];
      const { name, kind, links, status, attributes, parentSpanId } = attempt(delivered!);
      assert.deepEqual([name, kind, links, status, parentSpanId], [
        "POST",
        "SPAN_KIND_CLIENT",
        toRun,
        "STATUS_CODE_UNSET",
        "",
      ]);
      assert.deepEqual(attributes, {
        "http.request.method": "POST",
        "url.full": `${receiver.url}/good?token=REDACTED&REDACTED`,
        "server.address": "127.0.0.1",
        "server.port": Number(new URL(receiver.url).port),
        "webhook.delivery.id": delivered,
        "webhook.endpoint.id": good,
        "webhook.attempt": 1,
        "webhook.event.type": "order.paid",
        "webhook.outcome": "answered",
        "http.response.status_code": 200,
      });
      const wrong = attempt(failed!);
      assert.deepEqual([wrong.traceId, wrong.parentSpanId], [parent.traceId, parent.spanId]);
      assert.deepEqual([wrong.status, wrong.message], ["STATUS_CODE_ERROR", "HTTP 500"]);
      const rows = await deliveries(sql);
      const reason = rows.find(({ id }) => id === failed)?.error_message;
      assert.equal(reason, `HTTP 500; trace ${parent.traceId}; attempt 1 of 16, next in 2 s`);

      // Three messages in one request: each has a span of its own, and the request one in the run's trace.
      const messages = queued.map(attempt);
      const [batch] = byName(own, "send orders");
      assert.deepEqual(batch?.links, messages.map(({ traceId, spanId }) => ({ traceId, spanId })));
      assert.equal(batch?.attributes["messaging.batch.message_count"], 3);
      assert.equal(new Set(messages.map(({ traceId }) => traceId)).size, 3);
      for (const { kind, links, status } of messages) {
        assert.deepEqual([kind, links, status], ["SPAN_KIND_PRODUCER", toRun, "STATUS_CODE_ERROR"]);
      }
      const sent = JSON.parse(receiver.received.find(({ path }) => path === "/")!.text).Entries;
      assert.deepEqual(
        sent.map((entry: { MessageAttributes: Record<string, { StringValue: string }> }) =>
          entry.MessageAttributes.traceparent?.StringValue
        ),
        messages.map(({ traceId, spanId }) => `00-${traceId}-${spanId}-01`),
      );

      const known = new Set<unknown>(
        Object.entries(conventions).filter(([key]) => key.startsWith("ATTR_")).map(([, name]) => name),
      );
      const used = new Set(
        spans.flatMap(({ attributes, resource }) => Object.keys({ ...attributes, ...resource })),
      );
      assert(used.size > 20);
      assert.deepEqual([...used].filter((name) => !known.has(name) && !name.startsWith("webhook.")), []);
    });
  },
);

traceTest("more spans than one request carries go in several, and none is lost", async (database) => {
  const { sql } = database;
  await withCollector(() => new Response(), async (receiver, collector) => {
    const ids = await insertDeliveries(sql, await insertEndpoint(sql, { url: receiver.url }), 1_300);
    const handler = createHandler(testRuntime(database, variablesFor(collector)));
    assert.equal((await (await handler(post())).json()).processed, 1_300);
    const exports = await spansOf(collector.received);
    assert(exports.length >= 3, String(exports.length));
    assert(exports.every((spans) => spans.length <= 512));
    const sent = byName(exports.flat(), "POST").map(({ attributes }) => attributes["webhook.delivery.id"]);
    assert.deepEqual(sent.sort(), ids.sort());
    assert.equal(byName(exports.flat(), "POST /functions/v1/test").length, 1);
  });
});

traceTest("a test belongs to the caller's trace, and its attempt to the run", async (database) => {
  const { sql } = database;
  await withCollector(() => new Response(), async (receiver, collector) => {
    await insertEndpoint(sql, { url: receiver.url, events: ["webhook.test"] });
    await createTestHandler(testRuntime(database, variablesFor(collector)))(called(CALLER));
    const spans = (await spansOf(collector.received)).flat();
    assert(spans.every(({ traceId }) => traceId === CALLER.traceId));
    const [run, attempt] = [byName(spans, "POST /functions/v1/test")[0], byName(spans, "POST")[0]];
    assert.deepEqual([run?.parentSpanId, attempt?.parentSpanId], [CALLER.spanId, run?.spanId]);
    assert.equal(byName(spans, "insert webhook_deliveries")[0]?.attributes["db.response.returned_rows"], 1);
    assert.equal(
      receiver.received[0]?.headers.get("traceparent"),
      `00-${CALLER.traceId}-${attempt?.spanId}-01`,
    );
  });
});

databaseTest("without a collector a test goes on with the caller's trace all the same", async (database) => {
  await withReceiver(undefined, async (receiver) => {
    await insertEndpoint(database.sql, { url: receiver.url, events: ["webhook.test"] });
    const handler = createTestHandler(testRuntime(database));
    await handler(called(CALLER));
    await handler(post(undefined, { apikey: SECRET_KEY, traceparent: "00-0-0-01" }));
    const [own, other] = receiver.received;
    assert.deepEqual([traceOf(own!), JSON.parse(own!.text).trace_id], [CALLER.traceId, CALLER.traceId]);
    assert.notEqual(traceOf(other!), CALLER.traceId);
  });
});

databaseTest("a trace that is not sampled is not exported, and its receiver is told so", async (database) => {
  const { sql } = database;
  await withCollector(() => new Response(), async (receiver, collector) => {
    await insertDeliveries(sql, await insertEndpoint(sql, { url: receiver.url }));
    const variables = { ...variablesFor(collector), OTEL_TRACES_SAMPLER: "always_off" };
    await createHandler(testRuntime(database, variables))(called(CALLER));
    assert.match(receiver.received[0]!.headers.get("traceparent")!, /-00$/);
    assert.equal(collector.received.length, 0);
  });
});
