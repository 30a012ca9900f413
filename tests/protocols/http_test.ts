/** HTTP on the wire: what a receiver sees, verified by a library that is not ours, and every way it can go wrong. */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { Webhook } from "standardwebhooks";
import type { SendHttp } from "../../functions/_shared/transport/http.ts";
import { PAYLOAD, planned, send, TRANSPORTS } from "../support/http.ts";
import { closedPort, type Received, withReceiver } from "../support/receiver.ts";

const WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/** Registers a test of what holds whatever sends: sockets of our own or `fetch`. */
function transportTest(name: string, body: (send: SendHttp) => Promise<void>) {
  for (const [transport, send] of TRANSPORTS) Deno.test(`${name} (${transport})`, () => body(send));
}

/** Sends one signed delivery and returns what the receiver got. */
async function deliver(secret: string | null, send: SendHttp): Promise<Received> {
  let received: Received | undefined;
  await withReceiver(undefined, async (receiver) => {
    const { outcome } = await send(planned(`${receiver.url}/hook?a=b`, { secret_key: secret }), 5_000);
    assert.deepEqual(outcome, { answered: { status: 200, location: null, retryAfter: null, body: "ok" } });
    received = receiver.received[0];
  });
  return received!;
}

const headersOf = (received: Received) => Object.fromEntries(received.headers);

transportTest("a receiver sees the envelope to the byte, with the documented headers", async (send) => {
  const received = await deliver(WHSEC, send);
  assert.equal(received.method, "POST");
  assert.equal(received.path, "/hook?a=b");
  assert(received.text.startsWith(PAYLOAD.slice(0, -1)), received.text);
  const { idempotency_key, trace_id } = JSON.parse(received.text);
  assert.equal(idempotency_key, "0a6e3f6e-4f0e-4a58-9d2f-9a1b2c3d4e5f");
  assert.equal(trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  assert.equal(received.headers.get("content-type"), "application/json");
  assert.equal(received.headers.get("webhook-id"), idempotency_key);
  assert.equal(received.headers.get("idempotency-key"), idempotency_key);
  assert.match(received.headers.get("traceparent")!, new RegExp(`^00-${trace_id}-[0-9a-f]{16}-01$`));
  assert.match(received.headers.get("user-agent")!, /^supabase-webhooks\/\d+\.\d+\.\d+$/);
});

transportTest("standardwebhooks verifies a whsec_ secret, a plain one, and each of several", async (send) => {
  const raw = (secret: string) => new Webhook(new TextEncoder().encode(secret), { format: "raw" });
  const plain = "a-plain-secret";
  const cases: [string, Webhook[]][] = [
    [WHSEC, [new Webhook(WHSEC)]],
    [plain, [raw(plain)]],
    [`${plain} ${WHSEC}`, [raw(plain), new Webhook(WHSEC)]],
    ["old new", [raw("old"), raw("new")]],
    ["geheim-schlüssel-🔑", [raw("geheim-schlüssel-🔑")]],
  ];
  for (const [secret, verifiers] of cases) {
    const received = await deliver(secret, send);
    for (const verifier of verifiers) {
      assert.equal(
        (verifier.verify(received.text, headersOf(received)) as { event: string }).event,
        "order.paid",
      );
    }
    assert.throws(() => raw("another-secret").verify(received.text, headersOf(received)));
  }
});

Deno.test("an altered or old request does not verify", async () => {
  const received = await deliver(WHSEC, send);
  const verifier = new Webhook(WHSEC);
  const headers = headersOf(received);
  assert.throws(() => verifier.verify(received.text.replace("1.10", "1.20"), headers));
  const old = String(Number(headers["webhook-timestamp"]) - 301);
  assert.throws(() => verifier.verify(received.text, { ...headers, "webhook-timestamp": old }));
  assert.throws(() => verifier.verify(received.text, { ...headers, "webhook-id": "another" }));
});

Deno.test("a request that is sent again later is refused, and sooner it is known by its id", async () => {
  const received = await deliver(WHSEC, send);
  const verifier = new Webhook(WHSEC);
  const headers = headersOf(received);
  const realNow = Date.now;
  const verifyAt = (seconds: number) => {
    Date.now = () => realNow() + seconds * 1_000;
    try {
      return verifier.verify(received.text, headers) as { idempotency_key: string };
    } finally {
      Date.now = realNow;
    }
  };
  assert.throws(() => verifyAt(302), /timestamp too old/);
  assert.throws(() => verifyAt(-302), /timestamp too new/);
  // Within five minutes a copy verifies: a receiver tells it by the id, which is signed.
  assert.equal(verifyAt(200).idempotency_key, headers["webhook-id"]);
  const renamed = { ...headers, "webhook-id": crypto.randomUUID() };
  assert.throws(() => verifier.verify(received.text, renamed), /No matching signature/);
});

transportTest("X-Webhook-Signature is what receivers check today", async (send) => {
  const phrase = "correct horse battery staple";
  const cases = [[WHSEC, WHSEC], ["plain", "plain"], [`a-plain-secret ${WHSEC}`, "a-plain-secret"], [
    phrase,
    phrase,
  ]];
  for (const [secret, key] of cases) {
    const received = await deliver(secret!, send);
    const expected = createHmac("sha256", key!).update(received.body).digest("hex");
    assert.equal(received.headers.get("x-webhook-signature"), `sha256=${expected}`);
  }
});

transportTest("an endpoint without a secret gets no signature", async (send) => {
  const received = await deliver(null, send);
  assert.equal(received.headers.get("x-webhook-signature"), null);
  assert.equal(received.headers.get("webhook-signature"), null);
});

transportTest("a redirect is not followed, and its location is kept", async (send) => {
  await withReceiver(
    () => new Response(null, { status: 307, headers: { location: "/elsewhere" } }),
    async (receiver) => {
      const { outcome } = await send(planned(receiver.url), 5_000);
      assert.deepEqual(outcome, {
        answered: { status: 307, location: "/elsewhere", retryAfter: null, body: "" },
      });
      assert.equal(receiver.received.length, 1);
    },
  );
});

transportTest("a receiver that does not answer is a time-out", async (send) => {
  const release = Promise.withResolvers<Response>();
  await withReceiver(() => release.promise, async (receiver) => {
    const { outcome } = await send(planned(receiver.url), 50);
    assert.deepEqual(outcome, { timedOut: { afterMs: 50 } });
    release.resolve(new Response());
  });
});

transportTest("nobody listening is a failed connection, and its reason shows no query", async (send) => {
  const { outcome } = await send(planned(`http://127.0.0.1:${closedPort()}/hook?token=hidden`), 5_000);
  assert("connectionFailed" in outcome);
  assert(!outcome.connectionFailed.reason.includes("hidden"), outcome.connectionFailed.reason);
  assert.match(outcome.connectionFailed.reason, /refused/i);
});

transportTest("an answer without an end is read only as far as a row keeps of it", async (send) => {
  let cancelled = false;
  const endless = () =>
    new Response(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new TextEncoder().encode("x".repeat(1_024))),
        cancel: () => {
          cancelled = true;
        },
      }),
    );
  await withReceiver(endless, async (receiver) => {
    const { outcome } = await send(planned(receiver.url), 5_000);
    assert("answered" in outcome);
    assert.equal(outcome.answered.status, 200);
    assert(outcome.answered.body.length >= 1_000);
  });
  assert(cancelled);
});

transportTest("an answer whose body breaks off is an answer", async (send) => {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const serving = (async () => {
    const connection = await listener.accept();
    await connection.read(new Uint8Array(4_096));
    await connection.write(
      new TextEncoder().encode("HTTP/1.1 202 Accepted\r\ncontent-length: 100\r\n\r\nbegun"),
    );
    connection.close();
  })();
  const { outcome } = await send(planned(`http://127.0.0.1:${listener.addr.port}/`), 5_000);
  await serving;
  listener.close();
  assert.deepEqual(outcome, { answered: { status: 202, location: null, retryAfter: null, body: "begun" } });
});

transportTest("bytes that are no text do not harm", async (send) => {
  await withReceiver(() => new Response(new Uint8Array([0x61, 0xff, 0x00])), async (receiver) => {
    const { outcome } = await send(planned(receiver.url), 5_000);
    assert.deepEqual(outcome, {
      answered: { status: 200, location: null, retryAfter: null, body: "a\ufffd\0" },
    });
  });
});
