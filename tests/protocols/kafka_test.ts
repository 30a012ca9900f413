/** Kafka, against several brokers; confluent-kafka reads what has arrived, and checks its checksums. */

import assert from "node:assert/strict";
import type { ClaimedRow } from "../../functions/_shared/core.ts";
import { type Kind, type Part, partTest } from "../support/brokers.ts";
import { assertDelivered, deliveriesTo, reasonOf, verified, withDeliverer } from "../support/deliver.ts";
import { closedPort } from "../support/receiver.ts";

interface Record {
  partition: number;
  offset: number;
  timestamp: number;
  key: string | null;
  value: string;
  headers: [string, string][];
}

const KINDS: Kind[] = ["noida", "librdkafka", "kafka"];
const urlOf = ({ about }: Part, topic: string, options = "") => `kafka://${about.brokers}/${topic}${options}`;
const topicName = () => `orders-${crypto.randomUUID()}`;

/** Each row is a record with its key, verifies, and is the text that the row holds. */
function assertArrived(rows: ClaimedRow[], records: Record[]): void {
  assert.equal(records.length, rows.length);
  for (const row of rows) {
    const own = records.filter(({ headers }) => Object.fromEntries(headers)["webhook-id"] === row.id);
    assert.equal(own.length, 1, row.id);
    const { key, value, headers, timestamp } = own[0]!;
    assert.equal(key, JSON.parse(row.payload!).actor_user_id);
    assert(value.startsWith(row.payload!.slice(0, -1)), value);
    assert.equal(verified(value, Object.fromEntries(headers)).idempotency_key, row.id);
    assert.deepEqual(headers.slice(0, 2), [["content-type", "application/json"], [
      "event_type",
      row.event_type,
    ]]);
    assert(Math.abs(timestamp - Date.now()) < 60_000);
  }
}

for (const kind of KINDS) {
  partTest(kind, `deliveries become records with keys, headers and checksums (${kind})`, async (part, t) => {
    const topic = topicName();
    await part.ask("topic", { name: topic, partitions: 4 });
    await withDeliverer({}, async ({ deliver }) => {
      for (const compression of ["none", "gzip"]) {
        await t.step(`compression ${compression}`, async () => {
          const own = topicName();
          await part.ask("topic", { name: own, partitions: 4 });
          const rows = deliveriesTo(urlOf(part, own, `?compression=${compression}`), 30);
          const updates = await deliver(rows);
          assertDelivered(updates);
          const records: Record[] = await part.ask("consume", { topic: own, count: 30 });
          assertArrived(rows, records);
          // The row says where its record is.
          for (const { id, response_body } of updates) {
            const { partition, offset } = JSON.parse(response_body!);
            const record = records.find(({ headers }) => Object.fromEntries(headers)["webhook-id"] === id)!;
            assert.deepEqual([partition, offset], [record.partition, String(record.offset)]);
          }
        });
      }
      await t.step("keys share the partition that librdkafka's murmur2 gives them", async () => {
        const theirs = topicName();
        await part.ask("topic", { name: theirs, partitions: 4 });
        const keys = Array.from({ length: 12 }, (_, n) => `user-${n}-é`);
        const rows = deliveriesTo(urlOf(part, topic), 12).map((row, n) => ({
          ...row,
          payload: JSON.stringify({ event: "order.paid", actor_user_id: keys[n] }),
        }));
        assertDelivered(await deliver(rows));
        for (const key of keys) await part.ask("produce", { topic: theirs, key, value: key });
        const byKey = (records: Record[]) =>
          records.map(({ key, partition }) => `${key} ${partition}`).sort();
        const ours: Record[] = await part.ask("consume", { topic, count: 12 });
        assert.deepEqual(byKey(ours), byKey(await part.ask("consume", { topic: theirs, count: 12 })));
        assert(new Set(ours.map(({ partition }) => partition)).size > 1);
      });
    });
  });
}

partTest("tansu", "logging in over TLS with each mechanism", async (part, t) => {
  const { username = "", password = "", ca = "", brokers } = part.about;
  const variables = { KAFKA_USERNAME: username, KAFKA_PASSWORD: password, KAFKA_CA_CERT: ca };
  const topic = topicName();
  await part.ask("topic", { name: topic, partitions: 3 });
  const url = `kafkas://${brokers}/${topic}`;
  const sent: ClaimedRow[] = [];
  for (const mechanism of ["plain", "scram-sha-256", "scram-sha-512"]) {
    await t.step(
      mechanism,
      () =>
        withDeliverer(
          { variables: { ...variables, KAFKA_SASL_MECHANISM: mechanism } },
          async ({ deliver }) => {
            const rows = deliveriesTo(url, 5);
            assertDelivered(await deliver(rows));
            sent.push(...rows);
          },
        ),
    );
  }
  await t.step("a named set", () => {
    const set = JSON.stringify({ username, password, ca, mechanism: "scram-sha-512" });
    return withDeliverer({ variables: { WEBHOOK_CREDENTIALS_EVENTS: set } }, async ({ deliver }) => {
      const rows = deliveriesTo(`${url}?credentials=events`, 1);
      assertDelivered(await deliver(rows));
      sent.push(...rows);
    });
  });
  const refused = (changes: globalThis.Record<string, string>, pattern: RegExp, target = url) =>
    withDeliverer({ variables: { ...variables, ...changes } }, async ({ deliver }) => {
      const reason = reasonOf((await deliver(deliveriesTo(target, 1)))[0]);
      assert.match(reason, pattern);
      assert(!reason.includes(password));
    });
  for (const mechanism of ["plain", "scram-sha-512"]) {
    await t.step(
      `a wrong password (${mechanism})`,
      () => refused({ KAFKA_PASSWORD: "wrong", KAFKA_SASL_MECHANISM: mechanism }, /SASL|login|authenticat/i),
    );
  }
  await t.step(
    "an authority that is not trusted",
    () => refused({ KAFKA_CA_CERT: "" }, /TLS: .*(authority|certificate)/i),
  );
  await t.step("no TLS", () => refused({}, /TLS|closed/, url.replace("kafkas:", "kafka:")));
  await t.step(
    "a password that is missing",
    () => refused({ KAFKA_PASSWORD: "" }, /^not sent: credentials: KAFKA_PASSWORD is not set/),
  );
  await t.step("all that was taken has arrived", async () => {
    assertArrived(sent, await part.ask("consume", { topic, count: sent.length }));
  });
});

partTest("noida", "what Kafka refuses is a reason in the row", async (part, t) => {
  const topic = topicName();
  await part.ask("topic", { name: topic, partitions: 1 });
  await withDeliverer({}, async ({ deliver }) => {
    await t.step("a broker that nobody runs", async () => {
      const [update] = await deliver(deliveriesTo(`kafka://127.0.0.1:${closedPort()}/${topic}`, 1));
      assert.match(reasonOf(update), /refused/i);
    });
    await t.step("a broker within", async () => {
      const [update] = await deliver(deliveriesTo(`kafka://10.0.0.1:9092/${topic}`, 1));
      assert.match(update!.error_message!, /^not sent: url: 10\.0\.0\.1 is a private address/);
    });
    await t.step("the next broker of the list is asked", async () => {
      const [own] = part.about.brokers!.split(",");
      const rows = deliveriesTo(`kafka://127.0.0.1:${closedPort()},${own}/${topic}`, 2);
      assertDelivered(await deliver(rows));
      assertArrived(rows, await part.ask("consume", { topic, count: 2 }));
    });
    await t.step("a cluster that has gone and its connections with it", async () => {
      await part.end();
      const updates = await deliver(deliveriesTo(urlOf(part, topic), 2));
      for (const update of updates) assert.match(reasonOf(update), /refused|closed|reset/i);
    });
  });
});
