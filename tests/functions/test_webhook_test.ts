/** test-webhook without a database: receivers that are no endpoints yet, dry runs, requests that are wrong on purpose. */

import assert from "node:assert/strict";
import { Webhook } from "standardwebhooks";
import { createHandler } from "../../functions/test-webhook/handler.ts";
import type { TestResult } from "../../functions/test-webhook/results.ts";
import type { Log } from "../../functions/_shared/log.ts";
import { closedPort, type Receiver, withReceiver } from "../support/receiver.ts";
import { post, testRuntime } from "../support/runtime.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER = "another-plain-secret";
const PRIVATE_KEY = "c2VjcmV0LWtleS1vZi1vdXJz";
// Oracle: printf MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw | base64 -d | sha256sum; printf another-plain-secret | sha256sum
const FINGERPRINT = "sha256:f74e1720";
const OTHER_FINGERPRINT = "sha256:89b17c3a";

interface Tested {
  status: number;
  text: string;
  answer: {
    total: number;
    delivered: number;
    passed?: boolean | null;
    deliveries: TestResult[];
    error?: { code: string; message: string };
  };
  result: TestResult;
  logged: string;
}

const noDatabase = {
  url: "",
  get store(): never {
    throw new Error("an ad-hoc test asked for the database");
  },
};

/** Tests and holds that no secret shows anywhere. */
async function test(body: Record<string, unknown>, variables: Record<string, string> = {}): Promise<Tested> {
  const logged: string[] = [];
  const log: Log = (...line) => logged.push(JSON.stringify(line));
  const runtime = { ...testRuntime(noDatabase, variables), log };
  const response = await createHandler(runtime)(post(body));
  const text = await response.text();
  for (const secret of [SECRET, SECRET.slice(6), OTHER, PRIVATE_KEY, ...Object.values(variables)]) {
    if (secret.length < 20) continue;
    assert(!text.includes(secret) && !logged.join().includes(secret), `a secret shows: ${text}`);
  }
  const answer = JSON.parse(text);
  return { status: response.status, text, answer, result: answer.deliveries?.[0], logged: logged.join() };
}

/** What standardwebhooks says of the last request. */
function verdict(receiver: Receiver, secret = SECRET): string {
  const { text, headers } = receiver.received.at(-1)!;
  try {
    new Webhook(secret).verify(text, Object.fromEntries(headers));
    return "verified";
  } catch (error) {
    return (error as Error).message;
  }
}

/** What receivers of today say of it. */
async function hasBodySignature({ received }: Receiver): Promise<boolean> {
  const { body, headers } = received.at(-1)!;
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", new TextEncoder().encode(SECRET), algorithm, false, [
    "sign",
  ]);
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, new Uint8Array(body)));
  const hex = [...mac].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return headers.get("x-webhook-signature") === `sha256=${hex}`;
}

Deno.test("a URL that is no endpoint yet gets a signed event, and nothing is stored", async () => {
  await withReceiver(undefined, async (receiver) => {
    const data = { member_count: 43 };
    const body = {
      event_type: "user.joined_community",
      event_data_override: data,
      url: receiver.url,
      secret: SECRET,
    };
    const { status, answer, result, logged } = await test(body);
    assert.deepEqual([status, answer.total, answer.delivered], [200, 1, 1]);
    assert.deepEqual([result.stored, result.endpoint_id, result.status], [false, null, "delivered"]);
    assert.match(result.delivery_id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.deepEqual(result.secrets, [{ fingerprint: FINGERPRINT, kind: "whsec" }]);
    assert.deepEqual([verdict(receiver), await hasBodySignature(receiver)], ["verified", true]);
    const envelope = JSON.parse(receiver.received[0]!.text);
    assert.deepEqual([envelope.data.member_count, envelope.data.community_city], [43, "Zürich"]);
    assert.deepEqual([envelope.test, envelope.idempotency_key], [true, result.delivery_id]);
    assert.equal(result.request!.body, receiver.received[0]!.text);
    assert(!logged.includes(receiver.url), logged);
  });
});

Deno.test("during a rotation each secret has its fingerprint, and both sign", async () => {
  await withReceiver(undefined, async (receiver) => {
    const { result } = await test({ url: receiver.url, secret: `${OTHER} ${SECRET}` });
    assert.deepEqual(result.secrets, [
      { fingerprint: OTHER_FINGERPRINT, kind: "plain" },
      { fingerprint: FINGERPRINT, kind: "whsec" },
    ]);
    assert.equal(verdict(receiver), "verified");
    const unsigned = await test({ url: receiver.url });
    assert.deepEqual([unsigned.result.secrets, unsigned.result.status], [[], "delivered"]);
    assert.equal(receiver.received.at(-1)!.headers.get("webhook-signature"), null);
  });
});

Deno.test("addresses are judged as an endpoint's are", async () => {
  const refused: [string, Record<string, string>, RegExp][] = [
    ["http://10.0.0.1/", {}, /^not sent: url: 10\.0\.0\.1 is a private address/],
    ["http://169.254.169.254/latest", {}, /^not sent: url: 169\.254\.169\.254 is .* and is not called/],
    [
      "http://0x7f.1/",
      { WEBHOOK_ALLOWED_ADDRESSES: "" },
      /^not sent: url: 127\.0\.0\.1 is a loopback address/,
    ],
    ["http://localhost/", { WEBHOOK_ALLOWED_ADDRESSES: "" }, /^not sent: url: localhost /],
    // With a range allowed, local names are resolved, and their addresses judged.
    [
      "http://localhost/",
      { WEBHOOK_ALLOWED_ADDRESSES: "10.0.0.0/8" },
      /^not sent: url: localhost .*(127\.0\.0\.1|::1)/,
    ],
    ["kafka://b.example,10.0.0.1/orders", {}, /^not sent: url: 10\.0\.0\.1 is a private address/],
    ["sqs://q?endpoint=http://10.0.0.1:4566", {}, /^not sent: url: 10\.0\.0\.1 is a private address/],
    ["ftp://a.example/", {}, /^not sent: url: unsupported protocol "ftp"/],
    ["http://user:pass@a.example/", {}, /^not sent: url: holds credentials/],
  ];
  for (const [url, variables, reason] of refused) {
    const { answer, result } = await test({ url, secret: SECRET }, variables);
    assert.deepEqual([answer.delivered, result.status, result.response], [0, "failed", null], url);
    assert.match(result.error ?? "", reason, url);
  }
});

Deno.test("requests that are wrong on purpose are refused by a good receiver, each for its own reason", async () => {
  const cases: [string, RegExp, boolean][] = [
    ["signature", /^No matching signature found$/, false],
    ["timestamp", /^Message timestamp too old$/, true],
    ["body", /^No matching signature found$/, false],
    ["missing", /^Missing required headers$/, false],
  ];
  // It verifies as it is asked to.
  await withReceiver(({ text, headers }) => {
    try {
      new Webhook(SECRET).verify(text, Object.fromEntries(headers));
      return new Response();
    } catch {
      return new Response("no", { status: 401 });
    }
  }, async (receiver) => {
    for (const [tamper, said, isBodySigned] of cases) {
      const { answer, result } = await test({ url: receiver.url, secret: SECRET, tamper });
      assert.match(verdict(receiver), said, tamper);
      assert.equal(await hasBodySignature(receiver), isBodySigned, tamper);
      assert.deepEqual([result.expected, result.passed, answer.passed, result.stored], [
        "the receiver refuses it with a 4xx",
        true,
        true,
        false,
      ], tamper);
      assert.equal(result.request!.body, receiver.received.at(-1)!.text);
      assert.doesNotThrow(() => JSON.parse(receiver.received.at(-1)!.text), tamper);
    }
    // Each was sent once.
    assert.equal(receiver.received.length, cases.length);
    const honest = await test({ url: receiver.url, secret: SECRET });
    assert.deepEqual([honest.result.status, honest.result.passed, honest.answer.passed], [
      "delivered",
      undefined,
      undefined,
    ]);
  });
});

Deno.test("whether a receiver verifies shows by its answer alone", async () => {
  const answers: [number, boolean | null][] = [[200, false], [500, false], [404, null], [429, null], [
    403,
    true,
  ]];
  for (const [status, passed] of answers) {
    await withReceiver(() => new Response(null, { status }), async (receiver) => {
      const { result } = await test({ url: receiver.url, secret: SECRET, tamper: "signature" });
      assert.equal(result.passed, passed, String(status));
    });
  }
  const url = `http://127.0.0.1:${closedPort()}/`;
  assert.equal((await test({ url, secret: SECRET, tamper: "body" })).result.passed, null);
  const unsigned = await test({ url, tamper: "body" });
  assert.match(unsigned.result.error!, /^not sent: tamper: the receiver has no secret/);
});

const GOOGLE = JSON.stringify({
  client_email: "a@b.example",
  private_key: `-----BEGIN PRIVATE KEY-----\n${PRIVATE_KEY}\n-----END PRIVATE KEY-----\n`,
});
const CREDENTIALS = {
  AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
  AWS_SECRET_ACCESS_KEY: "aws-secret-access-key-for-tests",
  GOOGLE_SERVICE_ACCOUNT_JSON: GOOGLE,
  KAFKA_USERNAME: "u",
  KAFKA_PASSWORD: "kafka-password-for-tests",
};

/** Runs with a port that nobody may connect to. */
async function withUntouchedPort(body: (port: number) => Promise<void>): Promise<void> {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  try {
    await body(listener.addr.port);
    // The first that is accepted is the first that has connected.
    const ours = await Deno.connect({ port: listener.addr.port, hostname: "127.0.0.1" });
    const first = await listener.accept();
    assert.deepEqual(first.remoteAddr, ours.localAddr);
    first.close();
    ours.close();
  } finally {
    listener.close();
  }
}

Deno.test("a dry run shows the request of every protocol and connects to nobody", async () => {
  await withUntouchedPort(async (port) => {
    const service = `endpoint=http://127.0.0.1:${port}`;
    const urls: [string, string | null, string | null][] = [
      [`http://127.0.0.1:${port}/hook?a=b`, "POST", null],
      [`kafka://127.0.0.1:${port}/orders`, "PRODUCE", null],
      [`lambda://hook?${service}`, "POST", null],
      [`sqs://sqs.us-east-1.amazonaws.com/123456789012/orders?${service}`, "POST", null],
      [`sqs://orders?${service}`, null, `sqs queue orders in us-east-1 at 127.0.0.1:${port} for default`],
      ["pubsub://my-project/orders", null, "google token for default"],
    ];
    for (const [url, method, first] of urls) {
      const body = { event_type: "webhook.alert", url, secret: SECRET, dry_run: true };
      const { answer, result } = await test(body, CREDENTIALS);
      assert.deepEqual([result.status, result.error, result.stored], ["planned", null, false], url);
      assert.deepEqual([answer.delivered, result.response, result.duration_ms], [0, null, 0]);
      assert.deepEqual([result.request?.method ?? null, result.found_out_first], [method, first], url);
      assert.deepEqual(result.secrets, [{ fingerprint: FINGERPRINT, kind: "whsec" }]);
      const isHttp = url.startsWith("http:");
      assert.equal(result.message === null, isHttp, url);
      const headers = isHttp ? result.request!.headers : result.message!.attributes;
      const sent = isHttp ? result.request!.body : result.message!.body;
      const named = Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]));
      const envelope = new Webhook(SECRET).verify(sent, named) as { data: { cause: string } };
      assert.equal(envelope.data.cause, "circuit_breaker");
      if (result.request && !isHttp) {
        // The message is what the request carries, as it is or as JSON text.
        const { body } = result.request;
        assert(body.includes(sent) || body.includes(JSON.stringify(sent).slice(1, -1)), url);
      }
    }
  });
});

Deno.test("a dry run shows what is wrong before anything is sent", async () => {
  const unset = await test({ url: "pubsub://my-project/orders", dry_run: true, secret: SECRET });
  assert.deepEqual([unset.result.status, unset.result.request], ["failed", null]);
  assert.match(unset.result.error!, /^not sent: credentials: GOOGLE_SERVICE_ACCOUNT_JSON is not set/);
  assert.match(unset.result.message!.body, /"webhook.test"/);
  const inside = await test({ url: "http://10.0.0.1/", dry_run: true });
  assert.match(inside.result.error!, /^not sent: url: 10\.0\.0\.1 is a private address/);
  const tampered = await test({
    url: "https://a.example/",
    secret: SECRET,
    tamper: "missing",
    dry_run: true,
  });
  assert.deepEqual([tampered.result.status, tampered.result.passed], ["planned", null]);
  assert(!tampered.text.includes("webhook-signature"));
});

Deno.test("a broker takes what is wrong, and that says nothing of the receiver", async () => {
  await withReceiver(() => new Response(null, { status: 202 }), async (receiver) => {
    const url = `lambda://hook?endpoint=${receiver.url}`;
    const { result } = await test({ url, secret: SECRET, tamper: "signature" }, CREDENTIALS);
    assert.deepEqual([result.status, result.passed], ["delivered", null]);
    const event = JSON.parse(receiver.received[0]!.text);
    assert.throws(() => new Webhook(SECRET).verify(event.body, event.headers), /No matching signature/);
  });
});

Deno.test("a secret that is too much stays unseen, and a receiver is named in one way", async () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ secret: SECRET }, "invalid_secret"],
    [{ secret: SECRET, endpoint: "e" }, "invalid_secret"],
    [{ secret: [SECRET], url: "https://a.example/" }, "invalid_secret"],
    [{ url: "" }, "invalid_url"],
    [{ url: "https://a.example/", endpoint: "e", secret: SECRET }, "several_receivers"],
    [{ endpoint: "e", endpoint_id: crypto.randomUUID() }, "several_receivers"],
    [{ endpoint: 7 }, "invalid_endpoint"],
    [{ dry_run: "yes" }, "invalid_dry_run"],
    [{ tamper: "everything" }, "invalid_tamper"],
    [{ event_data_override: [] }, "invalid_event_data_override"],
    [{ secrets: SECRET }, "unknown_field"],
  ];
  for (const [body, code] of cases) {
    const { status, answer } = await test(body);
    assert.deepEqual([status, answer.error?.code], [400, code], JSON.stringify(Object.keys(body)));
  }
});
