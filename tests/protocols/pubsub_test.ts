/** Pub/Sub: Google's emulator behind a gate that refuses what Google's servers refuse and the emulator does not. */

import assert from "node:assert/strict";
import { type Part, partTest } from "../support/brokers.ts";
import { assertDelivered, deliveriesTo, reasonOf, verified, withDeliverer } from "../support/deliver.ts";

interface Message {
  data: string;
  attributes: Record<string, string>;
  orderingKey?: string;
}

const variablesOf = ({ about }: Part) => ({ GOOGLE_SERVICE_ACCOUNT_JSON: about.serviceAccount! });
const urlOf = ({ about }: Part, topic: string, options = "") =>
  `pubsub://my-project/${topic}?endpoint=${about.endpoint}${options}`;

partTest("pubsub", "deliveries are published with a token that is fetched once", async (part) => {
  await part.ask("topic", { project: "my-project", topic: "orders" });
  await part.ask("topic", { project: "my-project", topic: "refunds" });
  await withDeliverer({ variables: variablesOf(part) }, async ({ deliver, requests }) => {
    const rows = deliveriesTo(urlOf(part, "orders"), 1_005);
    const others = deliveriesTo(urlOf(part, "refunds"), 1, { endpoint_id: "f" });
    assertDelivered(await deliver([...rows, ...others]));
    // Three batches want it at once: 1000 deliveries, 5, and 1.
    assert.equal(requests.length, 4);
    assert.equal(await part.ask("tokens"), 1);
    const messages: Message[] = await part.ask("pull", {
      project: "my-project",
      topic: "orders",
      count: 1_005,
    });
    assert.equal(messages.length, 1_005);
    const byId = new Map(messages.map((message) => [message.attributes["webhook-id"], message]));
    for (const row of rows) {
      const { data, attributes, orderingKey } = byId.get(row.id)!;
      assert.equal(verified(data, attributes).idempotency_key, row.id);
      assert(data.startsWith(row.payload!.slice(0, -1)), data);
      assert.equal(orderingKey ?? "", "");
      assert.equal(attributes.event_type, "order.paid");
    }
    assert.equal((await part.ask("pull", { project: "my-project", topic: "refunds", count: 1 })).length, 1);
  });
});

partTest("pubsub", "messages with ordering keys are taken, whatever their keys", async (part) => {
  await part.ask("topic", { project: "my-project", topic: "orders" });
  await withDeliverer({ variables: variablesOf(part) }, async ({ deliver, requests }) => {
    const rows = deliveriesTo(urlOf(part, "orders", "&ordering=actor"), 6);
    assertDelivered(await deliver(rows));
    // One for the token.
    assert.equal(requests.length, 7);
    const messages: Message[] = await part.ask("pull", { project: "my-project", topic: "orders", count: 6 });
    const keys = new Map(
      messages.map(({ attributes, orderingKey }) => [attributes["webhook-id"], orderingKey]),
    );
    assert.deepEqual(keys, new Map(rows.map((row) => [row.id, JSON.parse(row.payload!).actor_user_id])));
  });
});

partTest("pubsub", "a token that holds no longer is renewed once", async (part) => {
  await part.ask("topic", { project: "my-project", topic: "orders" });
  await withDeliverer({ variables: variablesOf(part) }, async ({ deliver }) => {
    assertDelivered(await deliver(deliveriesTo(urlOf(part, "orders"), 1)));
    await part.ask("revoke");
    assertDelivered(await deliver(deliveriesTo(urlOf(part, "orders"), 2)));
    assert.equal(await part.ask("tokens"), 2);
    await part.ask("fail", { status: 401 });
    // Whoever refuses the new one, too, is believed.
    await part.ask("revoke");
    const [update] = await deliver(deliveriesTo(urlOf(part, "orders"), 1));
    assert.match(reasonOf(update), /^Pub\/Sub: HTTP 401 /);
    assert.equal(await part.ask("tokens"), 3);
  });
});

partTest("pubsub", "what Google refuses is a reason in the row", async (part, t) => {
  await part.ask("topic", { project: "my-project", topic: "orders" });
  const account = JSON.parse(part.about.serviceAccount!);
  const refused = async (
    pattern: RegExp,
    changes: Record<string, unknown> = {},
    url = urlOf(part, "orders"),
  ) => {
    const variables = { GOOGLE_SERVICE_ACCOUNT_JSON: JSON.stringify({ ...account, ...changes }) };
    await withDeliverer({ variables }, async ({ deliver }) => {
      const [update] = await deliver(deliveriesTo(url, 1));
      const reason = reasonOf(update);
      assert.match(reason, pattern);
      assert(!reason.includes(account.private_key.slice(40, 80)));
    });
  };
  await t.step(
    "an account that it does not know",
    () =>
      refused(/^not sent: access token: HTTP 400 invalid_grant: /, { client_email: "somebody@else.example" }),
  );
  await t.step("another account's key", async () => {
    const algorithm = {
      name: "RSASSA-PKCS1-v1_5",
      hash: "SHA-256",
      modulusLength: 2048,
      publicExponent: new Uint8Array([1, 0, 1]),
    };
    const { privateKey } = await crypto.subtle.generateKey(algorithm, true, ["sign"]) as CryptoKeyPair;
    const der = new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey) as ArrayBuffer);
    const private_key = `-----BEGIN PRIVATE KEY-----\n${
      btoa(String.fromCharCode(...der))
    }\n-----END PRIVATE KEY-----\n`;
    await refused(/^not sent: access token: HTTP 400 invalid_grant: Signature/, { private_key });
  });
  await t.step(
    "a key that is none",
    () =>
      refused(/^not sent: credentials: GOOGLE_SERVICE_ACCOUNT_JSON\.private_key is not valid/, {
        private_key: "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----",
      }),
  );
  await t.step(
    "a topic that does not exist",
    () => refused(/^Pub\/Sub: HTTP 404 NOT_FOUND: /, {}, urlOf(part, "missing")),
  );
  await t.step(
    "a server that is not the account's",
    () =>
      refused(/^not sent: credentials: GOOGLE_SERVICE_ACCOUNT_JSON\.universe_domain is not valid/, {
        universe_domain: "googleapis.com",
      }),
  );
  await t.step("no account", () =>
    withDeliverer({}, async ({ deliver }) => {
      const [update] = await deliver(deliveriesTo(urlOf(part, "orders"), 1));
      assert.match(reasonOf(update), /^not sent: credentials: GOOGLE_SERVICE_ACCOUNT_JSON is not set/);
    }));
});

partTest("pubsub", "throttling and outages pass", async (part) => {
  await part.ask("topic", { project: "my-project", topic: "orders" });
  await withDeliverer({ variables: variablesOf(part) }, async ({ deliver }) => {
    for (const [status, response] of [[429, 429], [503, null]] as const) {
      await part.ask("fail", { status });
      const [update] = await deliver(deliveriesTo(urlOf(part, "orders"), 1));
      assert.equal(reasonOf(update), `Pub/Sub: HTTP ${status} FAILED: as the test wants it`);
      assert.equal(update!.response_status, response);
    }
  });
});

partTest("pubsub", "an emulator is published to without a token", async (part) => {
  await part.ask("topic", { project: "my-project", topic: "orders" });
  await withDeliverer({ variables: { PUBSUB_EMULATOR_HOST: part.about.emulator! } }, async ({ deliver }) => {
    assertDelivered(await deliver(deliveriesTo("pubsub://my-project/orders", 3)));
    assert.equal((await part.ask("pull", { project: "my-project", topic: "orders", count: 3 })).length, 3);
    assert.equal(await part.ask("tokens"), 0);
  });
});
