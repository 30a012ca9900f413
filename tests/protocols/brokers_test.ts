/**
 * What the other tests here go by, without any of our own code: an independent client sends, and what is read back is
 * exactly that; whoever must be refused is.
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { type Kind, type Part, partTest, withPart } from "../support/brokers.ts";

/** Easily damaged on its way. */
const BODY = '{"n":12345678901234567890, "price":1.10, "name":"Zoë 🎲 \\u0041"}';
const uniqueName = () => `t-${crypto.randomUUID()}`;

for (const kind of ["sqs", "moto"] as const) {
  partTest(kind, `harness: a queue gives back what boto3 has sent (${kind})`, async (part) => {
    const url: string = await part.ask("queue", { name: uniqueName() });
    const attributes = {
      "webhook-id": { DataType: "String", StringValue: "msg_1" },
      count: { DataType: "Number", StringValue: "3" },
    };
    await part.ask("send", { url, body: BODY, more: { MessageAttributes: attributes } });
    const [message, ...others] = await part.ask("receive", { url, count: 1 });
    assert.deepEqual(others, []);
    assert.equal(message.Body, BODY);
    assert.equal(message.MD5OfBody, createHash("md5").update(BODY).digest("hex"));
    assert.deepEqual(message.MessageAttributes, attributes);
  });

  partTest(kind, `harness: a FIFO queue keeps order, groups and ids (${kind})`, async (part) => {
    const attributes = { FifoQueue: "true" };
    const url: string = await part.ask("queue", { name: `${uniqueName()}.fifo`, attributes });
    for (const [body, id] of [["1", "a"], ["2", "b"], ["1 again", "a"], ["3", "c"]]) {
      await part.ask("send", { url, body, more: { MessageGroupId: "g", MessageDeduplicationId: id } });
    }
    // deno-lint-ignore no-explicit-any
    const messages: any[] = await part.ask("receive", { url, count: 3 });
    assert.deepEqual(
      messages.map(({ Body, Attributes: { MessageGroupId, MessageDeduplicationId } }) =>
        `${Body} ${MessageGroupId} ${MessageDeduplicationId}`
      ),
      ["1 g a", "2 g b", "3 g c"],
    );
  });
}

partTest("sqs", "harness: SQS refuses a signature by another secret", async (part) => {
  const url: string = await part.ask("queue", { name: uniqueName() });
  await assert.rejects(part.ask("send", { url, body: "no", secret: "wrong" }), /Signature/);
  await part.ask("send", { url, body: "yes" });
  const messages: { Body: string }[] = await part.ask("receive", { url, count: 1 });
  assert.deepEqual(messages.map(({ Body }) => Body), ["yes"]);
});

const KAFKAS: Kind[] = ["noida", "librdkafka", "tansu", "kafka"];
for (const kind of KAFKAS) {
  partTest(kind, `harness: a topic gives back what confluent-kafka has sent (${kind})`, async (part) => {
    const topic = uniqueName();
    await part.ask("topic", { name: topic, partitions: 3 });
    const timestamp = Date.now() - 5_000;
    const sent = [
      { partition: 0, timestamp, key: "é", value: BODY, headers: [["a", "1"], ["a", "2"], ["b", "🎲"]] },
      { partition: 2, timestamp: timestamp + 1, key: null, value: "", headers: [] },
      { partition: 2, timestamp: timestamp + 2, key: "gone", value: null, headers: [] },
    ];
    for (const record of sent) await part.ask("produce", { topic, ...record });
    const records: { partition: number; offset: number }[] = await part.ask("consume", { topic, count: 3 });
    records.sort((a, b) => a.partition - b.partition || a.offset - b.offset);
    assert.deepEqual(records, sent.map((record, n) => ({ ...record, offset: n === 2 ? 1 : 0 })));
  });
}

for (const kind of ["noida", "kafka"] as const) {
  partTest(kind, `harness: a batch with a wrong checksum is refused (${kind})`, async (part) => {
    const topic = uniqueName();
    await part.ask("topic", { name: topic, partitions: 1 });
    // CORRUPT_MESSAGE
    assert.deepEqual(await part.ask("checksums", { topic }), [0, 2]);
  });
}

partTest("tansu", "harness: the front lets in whoever logs in over TLS, and nobody else", async (part, t) => {
  const login = (config: Record<string, string>) => part.ask("login", { config });
  for (const mechanism of ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]) {
    await t.step(mechanism, async () => {
      const mechanisms = { "sasl.mechanisms": mechanism };
      assert.equal(await login(mechanisms), "ok");
      assert.equal(await login({ ...mechanisms, "sasl.password": "wrong" }), "_AUTHENTICATION");
      assert.equal(await login({ ...mechanisms, "sasl.username": "nobody" }), "_AUTHENTICATION");
    });
  }
  await t.step("no login", async () => {
    assert.match(await login({ "security.protocol": "SSL" }), /^_(TRANSPORT|ALL_BROKERS_DOWN)$/);
  });
  await t.step("no TLS", async () => {
    assert.match(await login({ "security.protocol": "SASL_PLAINTEXT" }), /^_(TRANSPORT|ALL_BROKERS_DOWN)$/);
  });
});

partTest("pubsub", "harness: a subscription gives back what was published", async (part) => {
  const topic = uniqueName();
  await part.ask("topic", { project: "my-project", topic });
  const token = await newToken(part);
  const message = { data: base64(BODY), attributes: { "webhook-id": "msg_1" }, orderingKey: "user-0" };
  assert.equal((await publish(part, topic, token, message)).status, 200);
  const [{ messageId, publishTime, ...pulled }, ...others] = await part.ask("pull", {
    project: "my-project",
    topic,
    count: 1,
  });
  assert.deepEqual(others, []);
  assert(messageId && Math.abs(Date.parse(publishTime) - Date.now()) < 60_000);
  assert.deepEqual(pulled, { ...message, data: BODY });
});

partTest("pubsub", "harness: the gate gives tokens to its account alone", async (part, t) => {
  const now = Math.floor(Date.now() / 1000);
  const changes: [string, Record<string, unknown>][] = [
    ["another account", { iss: "somebody@else.iam.gserviceaccount.com" }],
    ["another scope", { scope: "https://www.googleapis.com/auth/devstorage.read_only" }],
    ["another audience", { aud: "https://oauth2.googleapis.com/token" }],
    ["a token for two hours", { exp: now + 7_200 }],
    ["one that is over", { iat: now - 7_200, exp: now - 3_600 }],
    ["one of next hour", { iat: now + 1_800, exp: now + 3_600 }],
  ];
  for (const [name, claims] of changes) {
    await t.step(name, async () => {
      const { status, answer } = await askForToken(part, await assertion(part, claims));
      assert.deepEqual([status, answer.error, answer.access_token], [400, "invalid_grant", undefined]);
    });
  }
  await t.step("a signature by another key", async () => {
    const { privateKey } = await crypto.subtle.generateKey(
      { ...RS256, modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
      true,
      ["sign", "verify"],
    );
    const { status, answer } = await askForToken(part, await assertion(part, {}, privateKey));
    assert.deepEqual([status, answer.error], [400, "invalid_grant"]);
  });
  await t.step("another grant", async () => {
    const { status } = await askForToken(part, await assertion(part), "client_credentials");
    assert.equal(status, 400);
  });
  await t.step("its own", async () => assert(await newToken(part)));
  assert.equal(await part.ask("tokens"), changes.length + 3);
});

partTest("pubsub", "harness: the gate lets nobody pass without a token that holds", async (part) => {
  const topic = uniqueName();
  await part.ask("topic", { project: "my-project", topic });
  const message = { data: base64("one") };
  const statusWith = async (token?: string) => {
    const { status, answer } = await publish(part, topic, token, message);
    if (status === 401) assert.equal(answer.error.status, "UNAUTHENTICATED");
    return status;
  };
  assert.equal(await statusWith(), 401);
  assert.equal(await statusWith("made-up"), 401);
  const token = await newToken(part);
  assert.equal(await statusWith(token), 200);
  await part.ask("revoke");
  assert.equal(await statusWith(token), 401);
  const next = await newToken(part);
  await part.ask("fail", { status: 503 });
  assert.equal(await statusWith(next), 503);
  assert.equal(await statusWith(next), 200);
  const pulled: unknown[] = await part.ask("pull", { project: "my-project", topic, count: 2 });
  assert.equal(pulled.length, 2);
});

/** Where a part of ours listens; somebody's own goes on after the test. */
const OURS: [Kind, string, (about: Record<string, string>) => string][] = [
  ["sqs", "SQS_TEST_ENDPOINT", ({ endpoint }) => new URL(endpoint!).host],
  ["noida", "", ({ brokers }) => brokers!],
  ["tansu", "", ({ brokers }) => brokers!],
  ["pubsub", "PUBSUB_TEST_HOST", ({ emulator }) => emulator!],
];
for (const [kind, variable, addressOf] of OURS) {
  if (variable && Deno.env.get(variable)) continue;
  partTest(kind, `harness: nothing of it is left after a test that fails (${kind})`, async () => {
    let address = "";
    const failing = withPart(kind, async ({ about }) => {
      address = addressOf(about);
      (await connection(address)).close();
      throw new Error("as the test wants it");
    });
    await assert.rejects(failing, /as the test wants it/);
    await assert.rejects(connection(address), /refused/);
  });
}

function connection(address: string): Promise<Deno.Conn> {
  const [hostname, port] = address.split(":");
  return Deno.connect({ hostname: hostname!, port: Number(port) });
}

const RS256 = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };

/** RFC 7523's assertion of the part's account, with some claims changed, signed by WebCrypto. */
async function assertion(
  part: Part,
  changes: Record<string, unknown> = {},
  key?: CryptoKey,
): Promise<string> {
  const account = JSON.parse(part.about.serviceAccount!);
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: account.client_email,
    scope: "https://www.googleapis.com/auth/pubsub",
    aud: account.token_uri,
    iat: now,
    exp: now + 3_600,
    ...changes,
  };
  const header = { alg: "RS256", typ: "JWT", kid: account.private_key_id };
  const signed = [header, claims].map((half) => base64(JSON.stringify(half), "base64url")).join(".");
  const der = Uint8Array.from(
    atob(account.private_key.replace(/-----[A-Z ]+-----|\s/g, "")),
    (c) => c.charCodeAt(0),
  );
  key ??= await crypto.subtle.importKey("pkcs8", der, RS256, false, ["sign"]);
  const signature = await crypto.subtle.sign(RS256.name, key, new TextEncoder().encode(signed));
  return `${signed}.${Buffer.from(signature).toString("base64url")}`;
}

async function askForToken(
  part: Part,
  signed: string,
  grant = "urn:ietf:params:oauth:grant-type:jwt-bearer",
) {
  const { token_uri } = JSON.parse(part.about.serviceAccount!);
  const body = new URLSearchParams({ grant_type: grant, assertion: signed });
  const response = await fetch(token_uri, { method: "POST", body });
  return { status: response.status, answer: await response.json() };
}

async function newToken(part: Part): Promise<string> {
  const { status, answer } = await askForToken(part, await assertion(part));
  assert.equal(status, 200, JSON.stringify(answer));
  assert.equal(answer.token_type, "Bearer");
  return answer.access_token;
}

async function publish(part: Part, topic: string, token: string | undefined, message: unknown) {
  const response = await fetch(`${part.about.endpoint}/v1/projects/my-project/topics/${topic}:publish`, {
    method: "POST",
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    body: JSON.stringify({ messages: [message] }),
  });
  return { status: response.status, answer: await response.json() };
}

function base64(text: string, encoding: "base64" | "base64url" = "base64"): string {
  return Buffer.from(text).toString(encoding);
}
