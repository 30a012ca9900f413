/** `WEBHOOK_TRANSPORT=fetch`: the runtime's client says what the sender of our own says. */

import assert from "node:assert/strict";
import { AddressPolicy } from "../../functions/_shared/core.ts";
import { createAddressBook } from "../../functions/_shared/transport/addresses.ts";
import { createFetchTransport } from "../../functions/_shared/transport/fetch.ts";
import { answered, failed, literal, planned, sendByFetch } from "../support/http.ts";
import { closedPort } from "../support/receiver.ts";
import { OK, type Peer, type Serve, withServer } from "../support/server.ts";

const SECRET_PATH = "/hook)?token=hidden";

function outcomeOf(serve: Serve, { timeoutMs = 5_000, tls = false } = {}) {
  return withServer(serve, async ({ url }) => {
    const { outcome } = await sendByFetch(
      planned(`${tls ? url.replace("http", "https") : url}${SECRET_PATH}`),
      timeoutMs,
    );
    return outcome;
  });
}

const FAILURES: [string, Serve, RegExp, boolean?][] = [
  [
    "closes after the request",
    async (peer) => void await peer.request(),
    /: closed the connection before it answered$/,
  ],
  [
    "speaks another protocol",
    (peer) => peer.answer("SSH-2.0-OpenSSH_9.6\r\n"),
    /is no HTTP\/1\.1: another protocol$/,
  ],
  [
    "sends more headers than fit",
    (peer) => peer.answer(`HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(101)}\r\n`),
    /: answered with more headers than are read$/,
  ],
  [
    "sends a wrong status",
    (peer) => peer.answer("HTTP/1.1 20 Short\r\n\r\n"),
    /: invalid HTTP status-code parsed$/,
  ],
  [
    "speaks no TLS",
    (peer) => peer.write("HTTP/1.1 400 Bad Request\r\n\r\n"),
    /: TLS: it speaks no TLS on this port \(/,
    true,
  ],
];

for (const [what, serve, reason, tls = false] of FAILURES) {
  Deno.test(`by fetch, a receiver that ${what} is a failed connection`, async () => {
    const said = failed(await outcomeOf(serve, { tls }));
    assert.match(said, reason);
    assert.match(said, /^127\.0\.0\.1:\d+: /);
    assert(!/hidden|hook/.test(said), said);
  });
}

Deno.test("by fetch, nobody listening is said in the same words", async () => {
  const { outcome } = await sendByFetch(planned(`http://127.0.0.1:${closedPort()}${SECRET_PATH}`), 5_000);
  assert.match(failed(outcome), /^127\.0\.0\.1:\d+: Connection refused \(os error \d+\)$/);
});

Deno.test("an error that nobody knows shows nothing of the URL", async () => {
  const url = `http://127.0.0.1:1${SECRET_PATH}`;
  for (const error of [new Error(`no way to ${url}`), new TypeError("x", { cause: new Error(url) })]) {
    const { send } = createFetchTransport({ addresses: literal, fetch: () => Promise.reject(error) });
    assert.equal(failed((await send(planned(url), 5_000)).outcome), "127.0.0.1:1: could not be called");
  }
});

Deno.test("by fetch, an address that must not be called is not", async () => {
  const addresses = createAddressBook({
    policy: new AddressPolicy(""),
    resolve: () => Promise.resolve(["127.0.0.1"]),
  });
  let calls = 0;
  const call = () => {
    calls++;
    return Promise.resolve(new Response());
  };
  const { send } = createFetchTransport({ addresses, fetch: call });
  for (const host of ["inside.example", "127.0.0.1", "[::1]"]) {
    const { outcome } = await send(planned(`http://${host}/`), 5_000);
    assert("addressRefused" in outcome, JSON.stringify(outcome));
    assert(outcome.addressRefused.reason.startsWith("url: "), outcome.addressRefused.reason);
  }
  assert.equal(calls, 0);
});

Deno.test("by fetch, the time-out covers the look-up, the answer and its body", async () => {
  const never = new Promise<never>(() => {});
  const timedOut = { timedOut: { afterMs: 50 } };
  const looking = createFetchTransport({ addresses: () => never });
  assert.deepEqual((await looking.send(planned("http://a.example/"), 50)).outcome, timedOut);
  const hanging = async (peer: Peer) => {
    await peer.answer("HTTP/1.1 200 OK\r\nX: ");
    await peer.hang();
  };
  assert.deepEqual(await outcomeOf(hanging, { timeoutMs: 50 }), timedOut);
  const begun = async (peer: Peer) => {
    await peer.answer("HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nbegun€\r\n");
    await peer.hang();
  };
  // As much of it as had come; a time-out of a second leaves room for a busy machine.
  assert.equal(answered(await outcomeOf(begun, { timeoutMs: 1_000 })).body.slice(0, 5), "begun");
});

Deno.test("by fetch, an endless body is read only as far as it is kept", async () => {
  const endless = async (peer: Peer) => {
    await peer.answer("HTTP/1.1 200 OK\r\n\r\n€");
    while (true) await peer.write("€€€€€€€€€€€€€€€€€€€€€€€€€€€€€");
  };
  assert.equal(answered(await outcomeOf(endless)).body, "€".repeat(1_333));
});

Deno.test("by fetch, headers are there for whom asks, and interim answers are passed over", async () => {
  const answer = `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${
    OK.replace("\r\n", "\r\nX-A: 1\r\nx-a: 2\r\n")
  }`;
  await withServer((peer) => peer.answer(answer), async (server) => {
    const { headers, outcome } = await sendByFetch(planned(server.url), 5_000, true);
    assert.equal(answered(outcome).body, "ok");
    assert.equal(headers["x-a"], "1, 2");
    assert.deepEqual((await sendByFetch(planned(server.url), 5_000)).headers, {});
  });
});

Deno.test("by fetch, a request has all headers that it has otherwise", async () => {
  await withServer((peer) => peer.answer(OK), async (server) => {
    const request = planned(`${server.url}${SECRET_PATH}`, { secret_key: "s" });
    answered((await sendByFetch(request, 5_000)).outcome);
    const lines = (head: string) =>
      head.split("\r\n").filter(Boolean).map((line) => line.replace(/^[^:]*:/, (name) => name.toLowerCase()));
    const [received] = server.requests;
    const there = lines(received!.head);
    assert.deepEqual(lines(request.head).filter((line) => !there.includes(line)), []);
    assert.equal(new TextDecoder().decode(received!.body), request.body);
  });
});
