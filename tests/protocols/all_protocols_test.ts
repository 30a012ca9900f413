/** One dispatcher, one event, every protocol at once; and brokers that go away one after the other. */

import assert from "node:assert/strict";
import { createHandler as createTestHandler } from "../../functions/test-webhook/handler.ts";
import { createHandler } from "../../functions/webhook-dispatcher/handler.ts";
import { haveParts, type Part, withPart } from "../support/brokers.ts";
import { age, databaseTest, deliveries, insertEndpoint, type TestDatabase } from "../support/database.ts";
import { SECRET, verified } from "../support/deliver.ts";
import { readmeBlock } from "../support/readme.ts";
import { post, testRuntime } from "../support/runtime.ts";
import { withReceiver } from "../support/receiver.ts";

type Headers = Record<string, string>;
interface Message {
  Body: string;
  MessageAttributes: Record<string, { StringValue: string }>;
}

interface Parts {
  sqs: Part;
  pubsub: Part;
  noida: Part;
}

/** Each protocol's endpoint, by its name. */
function urlsOf({ sqs, pubsub, noida }: Parts, receiver: string): Record<string, string> {
  const service = `region=us-east-1&endpoint=${sqs.about.endpoint}`;
  return {
    http: `${receiver}/hook`,
    sqs: `sqs://orders?${service}`,
    lambda: `lambda://hook?${service}`,
    pubsub: `pubsub://my-project/orders?endpoint=${pubsub.about.endpoint}`,
    kafka: `kafka://${noida.about.brokers}/orders`,
  };
}

const variablesOf = ({ sqs, pubsub }: Parts) => ({
  AWS_ACCESS_KEY_ID: sqs.about.accessKeyId!,
  AWS_SECRET_ACCESS_KEY: sqs.about.secretAccessKey!,
  GOOGLE_SERVICE_ACCOUNT_JSON: pubsub.about.serviceAccount!,
});

/** Runs with all parts up, queues and topics made. */
async function withParts(body: (parts: Parts) => Promise<void>): Promise<void> {
  await withPart("sqs", (sqs) =>
    withPart("pubsub", (pubsub) =>
      withPart("noida", async (noida) => {
        await sqs.ask("queue", { name: "orders" });
        await sqs.ask("function", { name: "hook" });
        await pubsub.ask("topic", { project: "my-project", topic: "orders" });
        await noida.ask("topic", { name: "orders", partitions: 2 });
        await body({ sqs, pubsub, noida });
      })));
}

async function emit({ sql }: TestDatabase): Promise<void> {
  await sql`select public.dispatch_webhook('order.paid', '{"n": 12345678901234567890, "name": "Zoë 🎲"}'::jsonb)`;
}

/** Status and reason of each endpoint's last delivery. */
async function rowsOf({ sql }: TestDatabase): Promise<Record<string, string>> {
  const rows = await sql<{ name: string; status: string; error_message: string | null }[]>`
    select distinct on (e.name) e.name, d.status, d.error_message from public.webhook_deliveries d
    join public.webhook_configurations e on e.id = d.webhook_config_id order by e.name, d.created_at desc`;
  return Object.fromEntries(rows.map(({ name, status, error_message }) => [name, error_message ?? status]));
}

/** What the README tells receivers of every protocol to do, as it stands there. */
async function verifyOfReadme(): Promise<(body: string, attributes: Record<string, unknown>) => unknown> {
  Deno.env.set("WEBHOOK_SECRET", SECRET);
  const file = await Deno.makeTempFile({ suffix: ".mjs" });
  try {
    await Deno.writeTextFile(file, await readmeBlock("javascript"));
    return (await import(`file://${file}`)).verify;
  } finally {
    await Deno.remove(file);
    Deno.env.delete("WEBHOOK_SECRET");
  }
}

if (haveParts("sqs", "pubsub", "noida")) {
  databaseTest("one run delivers one event over every protocol, each verifiable", async (database) => {
    await withReceiver(undefined, (receiver) =>
      withParts(async (parts) => {
        for (const [name, url] of Object.entries(urlsOf(parts, receiver.url))) {
          await insertEndpoint(database.sql, { name, url, secret_key: SECRET });
        }
        await emit(database);
        const runtime = testRuntime(database, variablesOf(parts));
        const summary = await (await createHandler(runtime)(post())).json();
        const delivered = Object.fromEntries(
          Object.keys(urlsOf(parts, "")).map((name) => [name, "delivered"]),
        );
        assert.deepEqual(await rowsOf(database), delivered);
        assert.deepEqual([summary.processed, summary.failed, summary.remaining], [5, 0, 0]);

        const [message]: Message[] = await parts.sqs.ask("receive", {
          url: `${parts.sqs.about.endpoint}/000000000000/orders`,
          count: 1,
        });
        const [event]: { headers: Headers; body: string }[] = await parts.sqs.ask("events", { count: 1 });
        const [published]: { data: string; attributes: Headers }[] = await parts.pubsub.ask("pull", {
          project: "my-project",
          topic: "orders",
          count: 1,
        });
        const [record]: { value: string; headers: [string, string][] }[] = await parts.noida.ask("consume", {
          topic: "orders",
          count: 1,
        });
        const { text, headers } = receiver.received[0]!;
        const attributes = Object.entries(message!.MessageAttributes).map((
          [name, { StringValue }],
        ) => [name, StringValue]);
        const readme = await verifyOfReadme();
        const asReceived: [string, Record<string, unknown>][] = [
          [message!.Body, message!.MessageAttributes],
          [event!.body, event!.headers],
          [published!.data, published!.attributes],
          [record!.value, Object.fromEntries(record!.headers)],
        ];
        for (const [body, beside] of asReceived) {
          assert.equal((readme(body, beside) as { event: string }).event, "order.paid");
          assert.throws(() => readme(body.replace("order.paid", "order.lost"), beside), /signature/i);
        }
        const arrived: [string, Headers][] = [
          [text, Object.fromEntries(headers)],
          [message!.Body, Object.fromEntries(attributes)],
          [event!.body, event!.headers],
          [published!.data, published!.attributes],
          [record!.value, Object.fromEntries(record!.headers)],
        ];
        const seen = arrived.map(([body, beside]) => {
          assert(body.includes('"n": 12345678901234567890'), body);
          const { request_id, trace_id, idempotency_key } = verified(body, beside);
          assert.equal(beside["webhook-id"], idempotency_key);
          assert(beside.traceparent?.startsWith(`00-${trace_id}-`), beside.traceparent);
          return { request_id, trace_id, idempotency_key };
        });
        // The test tool takes the same way, and shows neither tokens nor signed requests.
        for (
          const [name, shown] of [["sqs", "Authorization"], ["pubsub", "Authorization"], [
            "kafka",
            null,
          ]] as const
        ) {
          const [endpoint] = await database.sql<{ id: string }[]>`
            select id from public.webhook_configurations where name = ${name}`;
          const answer = await (await createTestHandler(runtime)(post({ endpoint_id: endpoint!.id }))).json();
          assert.equal(answer.delivered, 1, JSON.stringify(answer));
          const { request, response } = answer.deliveries[0];
          assert(response.body !== "", JSON.stringify(response));
          if (shown) assert.equal(Object.fromEntries(request.headers)[shown], "(not shown)");
          else assert.equal(request.method, "PRODUCE");
        }
        // So do receivers that are no endpoints, and what is wrong on purpose, of which a broker knows nothing.
        const before = (await deliveries(database.sql)).length;
        for (const [name, url] of Object.entries(urlsOf(parts, receiver.url))) {
          for (const tamper of [undefined, "signature"]) {
            const body = { url, secret: SECRET, ...(tamper && { tamper }) };
            const answer = await (await createTestHandler(runtime)(post(body))).json();
            const [{ status, stored, passed }] = answer.deliveries;
            // Somebody's receiver that answers 200 whatever it gets has not seen through it.
            const expected = tamper === undefined ? undefined : name === "http" ? false : null;
            assert.deepEqual(
              [status, stored, passed],
              ["delivered", false, expected],
              JSON.stringify(answer),
            );
          }
        }
        assert.equal((await deliveries(database.sql)).length, before);
        // One event, one trace, five deliveries.
        assert.equal(new Set(seen.map(({ request_id }) => request_id)).size, 1);
        assert.equal(new Set(seen.map(({ trace_id }) => trace_id)).size, 1);
        const rows = (await deliveries(database.sql)).filter(({ event_type }) => event_type === "order.paid");
        const ids = rows.map(({ id }) => id).sort();
        assert.deepEqual(seen.map(({ idempotency_key }) => idempotency_key).sort(), ids);
      }));
  });

  databaseTest("where a broker has gone its rows wait, and the others go on", async (database) => {
    await withReceiver(undefined, (receiver) =>
      withParts(async (parts) => {
        for (const [name, url] of Object.entries(urlsOf(parts, receiver.url))) {
          await insertEndpoint(database.sql, { name, url });
        }
        const runtime = testRuntime(database, variablesOf(parts));
        const gone: string[] = [];
        const kills: [Part, string[]][] = [
          [parts.noida, ["kafka"]],
          [parts.pubsub, ["pubsub"]],
          [parts.sqs, ["lambda", "sqs"]],
        ];
        for (const [part, names] of kills) {
          await part.end();
          gone.push(...names);
          await emit(database);
          await createHandler(runtime)(post());
          for (const [name, said] of Object.entries(await rowsOf(database))) {
            if (gone.includes(name)) {
              assert.match(
                said,
                /(refused|closed|reset).*; trace [0-9a-f]{32}; attempt 1 of 16, next in /i,
                name,
              );
            } else assert.equal(said, "delivered", name);
          }
        }
        const pending = (await deliveries(database.sql)).filter(({ status }) => status === "pending");
        assert.equal(pending.length, 3 + 2 + 2);
        // None of it is lost: what waits is tried again when it is due.
        await age(database.sql, "1 minute");
        await createHandler(runtime)(post());
        const again = (await deliveries(database.sql)).filter(({ status }) => status === "pending");
        assert.deepEqual(again.map(({ attempts }) => attempts >= 2), Array(7).fill(true));
      }));
  });
}
