/** Typed protocol columns: in step with the URL, by the rules of the Rust core. */

import assert from "node:assert/strict";
import type postgres from "postgres";
import { databaseTest, insertEndpoint } from "../../support/database.ts";
import { migrate, named } from "../../support/migrations.ts";

interface Vector {
  url: string;
  protocol?: string;
  error?: string;
}

const VECTORS = new URL("../../vectors/targets.json", import.meta.url);

/** Names, regions, ports and values of options: whether they are valid is the dispatcher's to say. */
const LEFT_TO_THE_DISPATCHER =
  /^url: (option )?(account|queue|region|project|topic|port|function|group|credentials|endpoint|ordering|key|compression|qualifier|recipient|number of recipients|from|to|cc|bcc|subject|body|format) ".*" is not valid; expected /;

async function read(sql: postgres.Sql, url: string) {
  const [row] = await sql<{ protocol: string | null; config: string | null; error: string | null }[]>`
    select protocol, config::text as config, error from webhooks.read_target(${url})`;
  return row!;
}

databaseTest("the vectors of the Rust parser hold", async ({ sql }) => {
  await migrate(sql, named("foundation", "protocols"));
  const vectors: Vector[] = JSON.parse(await Deno.readTextFile(VECTORS));
  assert.equal(vectors.length, 178);
  const counts = { accepted: 0, refused: 0, left: 0 };
  for (const { url, protocol, error } of vectors) {
    const target = await read(sql, url);
    if (protocol !== undefined) {
      assert.deepEqual([target.error, target.protocol], [null, protocol], url);
      counts.accepted++;
    } else if (LEFT_TO_THE_DISPATCHER.test(error!)) {
      assert.equal(target.error, null, url);
      counts.left++;
    } else {
      assert.deepEqual([target.error, target.protocol, target.config], [error, null, null], url);
      counts.refused++;
    }
  }
  assert.deepEqual(counts, { accepted: 76, refused: 41, left: 61 });
});

databaseTest("what a URL says is in protocol_config", async ({ sql }) => {
  await migrate(sql, named("foundation", "protocols"));
  const cases: [string, Record<string, unknown>][] = [
    ["https://example.com/webhook?token=secret", {}],
    ["https://example.com/webhook#rate=10/s&timeout=5s", { rate: "10/s", timeout: "5s" }],
    ["https://example.com/webhook#top", {}],
    ["sqs://orders.fifo?region=eu-west-1&group=event#rate=1/s", {
      queue: "orders.fifo",
      region: "eu-west-1",
      group: "event",
      rate: "1/s",
    }],
    ["sqs://SQS.eu-west-1.amazonaws.com/123456789012/orders", {
      host: "sqs.eu-west-1.amazonaws.com",
      account: "123456789012",
      queue: "orders",
    }],
    ["pubsub://my-project/my-topic", { project: "my-project", topic: "my-topic" }],
    ["kafkas://b1:9092,b2/topic?key=none", {
      brokers: ["b1:9092", "b2"],
      topic: "topic",
      tls: true,
      key: "none",
    }],
    ["lambda://123456789012:hook", { function: "hook", account: "123456789012" }],
    ["lambda://hook", { function: "hook" }],
    ["mailto:ops@example.com,dev@example.com?from=a@b.example#rate=1/s", {
      recipients: ["ops@example.com", "dev@example.com"],
      from: "a@b.example",
      rate: "1/s",
    }],
    ["https://hooks.slack.com/services/T/B/s#format=plain", { format: "plain" }],
  ];
  for (const [url, config] of cases) {
    const target = await read(sql, url);
    assert.deepEqual([target.error, JSON.parse(target.config ?? "null")], [null, config], url);
  }
});

databaseTest("URLs that browsers and the core take are taken, and credentials are not", async ({ sql }) => {
  await migrate(sql, named("foundation", "protocols"));
  const taken = [
    "http:///a.example//b",
    "https://@a.example/",
    "https://:@a.example/",
    "http://[::1]:8080/@",
    "HTTP://a:80",
  ];
  for (const url of taken) assert.equal((await read(sql, url)).error, null, url);
  const refused = [
    "https://token@a.example/",
    "https://:pass@a.example",
    "https://us@er:p@ss@a.example:9/x",
    "http:///u:p@a.example/",
    "http://\\u:p@a.example/",
    "kafka://u:p@broker/topic",
    "lambda://hook?endpoint=http://u:p@127.0.0.1",
  ];
  for (const url of refused) {
    assert.match((await read(sql, url)).error ?? "", /^url: holds credentials before the @/, url);
  }
});

interface Columns {
  delivery_protocol: string;
  protocol_config: Record<string, unknown> | null;
}

async function columns(sql: postgres.Sql, id: string): Promise<Columns> {
  const [row] = await sql<{ delivery_protocol: string; protocol_config: string | null }[]>`
    select delivery_protocol, protocol_config::text as protocol_config from public.webhook_configurations where id = ${id}`;
  return { ...row!, protocol_config: JSON.parse(row!.protocol_config ?? "null") };
}

databaseTest("the columns follow the URL", async ({ sql }) => {
  await migrate(sql, named("foundation", "protocols"));
  const id = await insertEndpoint(sql, { url: "sqs://orders" });
  assert.deepEqual(await columns(sql, id), {
    delivery_protocol: "sqs",
    protocol_config: { queue: "orders" },
  });
  await sql`update public.webhook_configurations set url = 'https://a.example/' where id = ${id}`;
  assert.deepEqual(await columns(sql, id), { delivery_protocol: "http", protocol_config: {} });
  await sql`update public.webhook_configurations set protocol_config = '{"queue": "other"}' where id = ${id}`;
  assert.deepEqual(await columns(sql, id), { delivery_protocol: "http", protocol_config: {} });
  await assert.rejects(
    sql`update public.webhook_configurations set delivery_protocol = 'kafka' where id = ${id}`,
    /^PostgresError: delivery_protocol: "kafka" does not fit the url, whose protocol is http; change the url$/,
  );
  await assert.rejects(
    insertEndpoint(sql, { url: "ftp://a.example/" }),
    /url: unsupported protocol "ftp"; expected http:/,
  );
  await assert.rejects(
    sql`update public.webhook_configurations set url = 'example.com' where id = ${id}`,
    /url: has no scheme; expected it to begin with/,
  );
});

databaseTest(
  "endpoints from before are read; those that cannot be stay, and can be switched off",
  async ({ sql }) => {
    const queue = await insertEndpoint(sql, { url: "kafka://broker/topic" });
    const odd = await insertEndpoint(sql, { url: "gopher://a.example/" });
    const [before] = await sql`select max(updated_at) as at from public.webhook_configurations`;
    await migrate(sql, named("foundation", "protocols"));
    assert.deepEqual(await columns(sql, queue), {
      delivery_protocol: "kafka",
      protocol_config: { brokers: ["broker"], topic: "topic", tls: false },
    });
    assert.deepEqual(await columns(sql, odd), { delivery_protocol: "http", protocol_config: null });
    const [after] = await sql`select max(updated_at) as at from public.webhook_configurations`;
    assert.deepEqual(after, before);
    await sql`update public.webhook_configurations set is_active = false where id = ${odd}`;
  },
);
