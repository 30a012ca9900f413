/** The sender against web servers that are not ours: what they have received, and that connections are used again. */

import assert from "node:assert/strict";
import type { HttpRequest } from "../../functions/_shared/core.ts";
import { openSocket } from "../../functions/_shared/transport/connect.ts";
import { createFetchTransport } from "../../functions/_shared/transport/fetch.ts";
import type {
  Exchange,
  HttpTransport,
  HttpTransportOptions,
} from "../../functions/_shared/transport/http.ts";
import { makeCertificates } from "../support/certificates.ts";
import { answered, failed, PAYLOAD, planned, withTransport } from "../support/http.ts";
import { SERVERS, type WebServer, withNginx } from "../support/servers.ts";

const certificates = await makeCertificates();
if (!certificates) console.log("skipped: HTTPS needs the program openssl to make certificates");
for (const { name, missing } of SERVERS) if (missing) console.log(`skipped: ${name}: ${missing}`);

const PATIENCE_MS = 20_000;
const MEBIBYTE = 1_048_576;

/** A payload of about this many bytes. */
const large = (bytes: number) => PAYLOAD.replace("Zoë", `Zoë${"x".repeat(bytes)}`);

interface Target {
  url: string;
  /** Runs with a transport of its own. */
  within: <T>(
    body: (transport: HttpTransport) => Promise<T>,
    options?: Partial<HttpTransportOptions>,
  ) => Promise<T>;
}

function targetOf(scheme: string, port: number): Target {
  const addresses = () => ["127.0.0.1"];
  return {
    url: `${scheme}://localhost:${port}`,
    within: (body, options) =>
      withTransport({ addresses, caCerts: [certificates?.ca ?? ""].filter(Boolean), ...options }, body),
  };
}

/** Sends one after the other; what came, and over which of the server's connections. */
async function inTurn({ send }: Pick<HttpTransport, "send">, requests: HttpRequest[]) {
  const exchanges: Exchange[] = [];
  for (const request of requests) exchanges.push(await send(request, PATIENCE_MS, true));
  return {
    answers: exchanges.map(({ outcome }) => answered(outcome)),
    connections: exchanges.map(({ headers }) => headers["x-connection"]),
  };
}

/** What a server has received is what was sent, whatever it does to the names of headers. */
function assertReceived(echo: string, request: HttpRequest): void {
  const end = echo.indexOf("\n\n") + 2;
  const fields = (lines: string[]) =>
    lines.filter(Boolean).map((line) => line.replace(/^[^:]*/, (name) => name.toLowerCase()));
  const [first, ...lines] = echo.slice(0, end).split("\n");
  assert.equal(first, `POST ${new URL(request.url).pathname} 1.1`);
  const received = fields(lines);
  const sent = fields(request.head.split("\r\n").slice(1));
  assert.deepEqual(sent.filter((field) => !received.includes(field)), []);
  assert.equal(echo.slice(end), request.body);
}

const same = <T>(values: T[]) => new Set(values).size === 1;

const BEHAVIOUR: Record<string, (target: Target) => Promise<void>> = {
  "requests arrive to the byte, over one connection": async ({ url, within }) => {
    const bodies = [PAYLOAD, large(256 * 1_024), PAYLOAD];
    const requests = bodies.map((payload, n) => {
      const request = planned(`${url}/echo`, {
        id: `delivery-${n}`,
        payload,
        secret_key: "whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQ=",
      });
      return { ...request, mostAnswerBytes: MEBIBYTE };
    });
    const { answers, connections } = await within((transport) => inTurn(transport, requests));
    answers.forEach(({ status, body }, n) => {
      assert.equal(status, 200);
      assertReceived(body, requests[n]!);
    });
    assert(same(connections), String(connections));
  },

  "a request of many megabytes arrives to the byte": async ({ url, within }) => {
    const request = {
      ...planned(`${url}/echo`, { payload: large(4 * MEBIBYTE) }),
      mostAnswerBytes: 8 * MEBIBYTE,
    };
    const { answers: [answer] } = await within((transport) => inTurn(transport, [request]));
    assertReceived(answer!.body, request);
  },

  "chunks are one body, and the connection goes on": async ({ url, within }) => {
    const requests = Array.from({ length: 3 }, () => planned(`${url}/chunked`));
    const { answers, connections } = await within((transport) => inTurn(transport, requests));
    assert.deepEqual(answers.map(({ body }) => body), Array(3).fill("one, two, three"));
    assert(same(connections), String(connections));
  },

  "204 has no body, and the connection goes on": async ({ url, within }) => {
    const requests = ["/empty", "/chunked", "/empty"].map((path) => planned(url + path));
    const { answers, connections } = await within((transport) => inTurn(transport, requests));
    assert.deepEqual(answers.map(({ status, body }) => `${status} ${body}`), [
      "204 ",
      "200 one, two, three",
      "204 ",
    ]);
    assert(same(connections), String(connections));
  },

  "a mebibyte is read where it is wanted, and else cut, which ends the connection": async (
    { url, within },
  ) => {
    const request = planned(`${url}/large`);
    const whole = { ...request, mostAnswerBytes: MEBIBYTE };
    const { answers, connections } = await within((transport) =>
      inTurn(transport, [whole, whole, request, request])
    );
    assert.deepEqual(answers.map(({ body }) => body.length), [MEBIBYTE, MEBIBYTE, 4_000, 4_000]);
    assert(answers.every(({ body }) => /^x*$/.test(body)));
    assert.equal(connections[0], connections[1]);
    assert.equal(connections[1], connections[2]);
    assert.notEqual(connections[2], connections[3]);
  },

  "Connection: close is heeded": async ({ url, within }) => {
    const requests = Array.from({ length: 3 }, () => planned(`${url}/close`));
    const { answers, connections } = await within((transport) => inTurn(transport, requests));
    answers.forEach(({ body }, n) => assertReceived(body, requests[n]!));
    assert.equal(new Set(connections).size, 3);
  },

  "an answer that comes before the body was read counts, and the next request arrives": async (
    { url, within },
  ) => {
    const early = planned(`${url}/early`, { payload: large(16 * MEBIBYTE) });
    const next = planned(`${url}/echo`);
    const { answers } = await within((transport) => inTurn(transport, [early, next]));
    assert.equal(answers[0]!.status, 413);
    assertReceived(answers[1]!.body, next);
  },

  "100, 102 and 103 are no answers": async ({ url, within }) => {
    const requests = Array.from({ length: 2 }, () => planned(`${url}/interim`));
    const { answers, connections } = await within((transport) => inTurn(transport, requests));
    answers.forEach(({ body }, n) => assertReceived(body, requests[n]!));
    assert(same(connections), String(connections));
  },

  "many at once are each answered with their own": async ({ url, within }) => {
    const requests = Array.from({ length: 30 }, (_, n) => planned(`${url}/echo`, { id: `delivery-${n}` }));
    await within(async ({ send }) => {
      const exchanges = await Promise.all(requests.map((request) => send(request, PATIENCE_MS)));
      exchanges.forEach(({ outcome }, n) => assertReceived(answered(outcome).body, requests[n]!));
    });
  },
};

/** What a server cannot do is no test. */
const testsOf = ({ lacks }: WebServer) =>
  Object.entries(BEHAVIOUR).filter(([name]) => !(name.startsWith("100") && lacks.includes("/interim")));

for (const server of SERVERS) {
  for (const scheme of ["http", "https"]) {
    const needsTls = scheme === "https";
    if (needsTls && server.name === "hyper") continue;
    Deno.test({
      name: `${server.name} over ${scheme}`,
      ignore: server.missing !== undefined || (needsTls && !certificates),
      fn: (test) =>
        server.run(needsTls ? certificates : undefined, async (ports) => {
          const target = targetOf(scheme, ports[needsTls ? "tls" : "plain"]!);
          for (const [name, body] of testsOf(server)) await test.step(name, () => body(target));
          if (!needsTls) return;
          await test.step("a certificate for another name is refused", async () => {
            const wrong = planned(`${target.url.replace("localhost", "a.example")}/echo`);
            const { outcome } = await target.within(({ send }) => send(wrong, PATIENCE_MS));
            assert.match(failed(outcome), /^a\.example:\d+: TLS: its certificate is for another name \(/);
          });
        }),
    });
  }
}

const [node, python, , nginx] = SERVERS;

Deno.test({
  name: "a server that could speak HTTP/2 speaks HTTP/1.1, as ALPN says",
  ignore: !certificates,
  fn: (test) =>
    node!.run(certificates, async ({ either }) => {
      const target = targetOf("https", either!);
      for (const [name, body] of testsOf(node!)) await test.step(name, () => body(target));
    }),
});

Deno.test({
  name: "a server that speaks HTTP/2 alone is told apart, and fetch reaches it",
  ignore: !certificates,
  fn: () =>
    node!.run(certificates, async ({ http2 }) => {
      const { url, within } = targetOf("https", http2!);
      const request = planned(`${url}/chunked`);
      const { outcome } = await within(({ send }) => send(request, PATIENCE_MS));
      assert.match(
        failed(outcome),
        /: TLS: it speaks no HTTP\/1\.1 here; WEBHOOK_TRANSPORT=fetch speaks HTTP\/2 \(/,
      );
      const client = Deno.createHttpClient({ caCerts: [certificates!.ca] });
      try {
        const call: typeof fetch = (url, init) => {
          const options: RequestInit & { client: Deno.HttpClient } = { ...init, client };
          return fetch(url, options);
        };
        const { send } = createFetchTransport({ addresses: () => ["127.0.0.1"], fetch: call });
        const { answers: [answer] } = await inTurn({ send }, [request]);
        assert.deepEqual([answer!.status, answer!.body], [200, "one, two, three"]);
      } finally {
        client.close();
      }
    }),
});

Deno.test({
  name: "a server of HTTP/1.0 gets each request over a connection of its own",
  ignore: python!.missing !== undefined,
  fn: () =>
    python!.run(undefined, async ({ old }) => {
      const { url, within } = targetOf("http", old!);
      const requests = ["/echo", "/large", "/empty", "/echo"].map((path) => planned(url + path));
      const { answers, connections } = await within((transport) => inTurn(transport, requests));
      assert.deepEqual(answers.map(({ status }) => status), [200, 200, 204, 200]);
      assertReceived(answers[3]!.body, requests[3]!);
      assert.equal(new Set(connections).size, 4);
    }),
});

/** Registers a test with nginx configured so; `seen` are the ids of what has come through. */
function nginxTest(
  name: string,
  more: string,
  body: (target: Target, seen: (string | null)[]) => Promise<void>,
) {
  Deno.test({
    name,
    ignore: nginx!.missing !== undefined,
    fn: () => {
      const seen: (string | null)[] = [];
      return withNginx(undefined, more, ({ plain }) => body(targetOf("http", plain!), seen), seen);
    },
  });
}

nginxTest(
  "nginx closes after three requests: each arrives once",
  "keepalive_requests 3;",
  async (target, seen) => {
    const ids = Array.from({ length: 8 }, (_, n) => `delivery-${n}`);
    const { connections } = await target.within((transport) =>
      inTurn(transport, ids.map((id) => planned(`${target.url}/echo`, { id })))
    );
    assert.deepEqual(seen, ids);
    assert.deepEqual(connections.map((connection) => connections.indexOf(connection)), [
      0,
      0,
      0,
      3,
      3,
      3,
      6,
      6,
    ]);
  },
);

nginxTest(
  "a connection that nginx has let go is not used again: each arrives once",
  "keepalive_timeout 50ms;",
  async (target, seen) => {
    let closed: PromiseWithResolvers<void> | undefined;
    const options: Partial<HttpTransportOptions> = {
      openSocket: async (...to) => {
        const conn = await openSocket(...to);
        const gone = closed = Promise.withResolvers<void>();
        const close = conn.close.bind(conn);
        conn.close = () => {
          close();
          gone.resolve();
        };
        return conn;
      },
    };
    const ids = ["1", "2", "3"];
    await target.within(async (transport) => {
      for (const id of ids) {
        await inTurn(transport, [planned(`${target.url}/echo`, { id })]);
        // Nothing but nginx's end makes the transport close it.
        await closed!.promise;
      }
    }, options);
    assert.deepEqual(seen, ids);
  },
);

nginxTest("what nginx finds too large is answered before it was sent", "", async ({ url, within }, seen) => {
  const request = planned(`${url}/early`, { payload: large(16 * MEBIBYTE) });
  const { answers: [answer] } = await within((transport) => inTurn(transport, [request]));
  assert.equal(answer!.status, 413);
  assert.match(answer!.body, /413 Request Entity Too Large/);
  assert.deepEqual(seen, []);
});
