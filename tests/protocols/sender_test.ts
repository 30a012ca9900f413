/** The sender against receivers that do everything wrong, on raw sockets. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { answered, claimed, failed, PAYLOAD, planned, send, withTransport } from "../support/http.ts";
import { testDispatcher } from "../support/settings.ts";
import { OK, type Peer, withServer } from "../support/server.ts";

const SECRET_PATH = "/hook?token=hidden";

/** What becomes of one request to a receiver that does this. */
function outcomeOf(serve: (peer: Peer) => Promise<void>, timeoutMs = 5_000) {
  return withServer(serve, async (server) => {
    return { server, ...await send(planned(`${server.url}${SECRET_PATH}`), timeoutMs) };
  });
}

/** Writes until the other side has had enough. */
async function forever(peer: Peer, start: string, again: string): Promise<void> {
  await peer.write(start);
  while (true) await peer.write(again);
}

const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

const FAILURES: { what: string; serve: (peer: Peer) => Promise<void>; reason: RegExp }[] = [
  {
    what: "closes at once",
    serve: () => Promise.resolve(),
    reason: /closed the connection before it answered|reset|broken pipe/i,
  },
  {
    what: "closes after the request",
    serve: async (peer) => void await peer.request(),
    reason: /: closed the connection before it answered$/,
  },
  {
    what: "closes in the middle of the request",
    serve: async (peer) => void await peer.conn.read(new Uint8Array(1)),
    reason: /closed the connection before it answered|reset|broken pipe/i,
  },
  {
    what: "closes after half a head",
    serve: (peer) => peer.answer("HTTP/1.1 200 OK\r\nContent-Le"),
    reason: /: closed the connection in the middle of its answer's headers$/,
  },
  {
    what: "speaks another protocol",
    serve: (peer) => peer.write("SSH-2.0-OpenSSH_9.6\r\n").then(() => peer.hang()),
    reason:
      /: answered with something that is no HTTP\/1\.1: another protocol in "SSH-2\.0-OpenSSH_9\.6\\r\\n"$/,
  },
  {
    what: "begins HTTP/2",
    serve: async (peer) => {
      await peer.write(new Uint8Array([0, 0, 0, 4, 0, 0, 0, 0, 0]));
      await peer.hang();
    },
    reason: /no HTTP\/1\.1: another protocol in "\\x00\\x00\\x00\\x04/,
  },
  {
    what: "sends a head without an end",
    serve: (peer) => forever(peer, "HTTP/1.1 200 OK\r\n", `X: ${"x".repeat(1_000)}\r\n`),
    reason: /: answered with more than 16384 bytes of headers$/,
  },
  {
    what: "sends a header without an end",
    serve: (peer) => forever(peer, "HTTP/1.1 200 OK\r\nX: ", "x".repeat(1_000)),
    reason: /: answered with more than 16384 bytes of headers$/,
  },
  {
    what: "sends more headers than fit",
    serve: (peer) => peer.answer(`HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(101)}\r\n`),
    reason: /: answered with more than 100 headers$/,
  },
  {
    what: "floods with interim answers",
    serve: (peer) => forever(peer, "", "HTTP/1.1 100 Continue\r\n\r\n".repeat(10)),
    reason: /: answered with more than 16384 bytes of headers$/,
  },
];

for (const { what, serve, reason } of FAILURES) {
  Deno.test(`a receiver that ${what} is a failed connection`, async () => {
    const { outcome, server } = await outcomeOf(serve);
    const said = failed(outcome);
    assert.match(said, reason);
    assert(said.startsWith(`127.0.0.1:${server.port}: `), said);
    assert(!/hidden|hook/.test(said), said);
    assert.equal(server.accepted, 1);
  });
}

/** Its status has said it all. */
const BODIES: [string, (peer: Peer) => Promise<void>, string][] = [
  ["chunks of no size", (peer) => peer.answer(`${CHUNKED}xyz\r\nabc\r\n`).then(() => peer.hang()), ""],
  [
    "a chunk of impossible size",
    (peer) => peer.answer(`${CHUNKED}3\r\nabc\r\nfffffffffffffffff\r\nabc\r\n`).then(() => peer.hang()),
    "abc",
  ],
  [
    "two lengths",
    (peer) => peer.answer("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    "",
  ],
];

for (const [what, serve, body] of BODIES) {
  Deno.test(`a 2xx with ${what} is delivered`, async () => {
    const { outcome } = await outcomeOf(serve);
    assert.deepEqual(answered(outcome), { status: 200, location: null, retryAfter: null, body });
  });
}

/** A byte now and then, until the other side closes. */
async function drip(peer: Peer, start: string): Promise<void> {
  await peer.answer(start);
  while (true) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    await peer.write("x");
  }
}

const NO_ANSWERS: [string, (peer: Peer) => Promise<void>][] = [
  ["says nothing", (peer) => peer.hang()],
  ["stops in the middle of a head", async (peer) => {
    await peer.answer("HTTP/1.1 200 OK\r\nX: ");
    await peer.hang();
  }],
  ["drips a head", (peer) => drip(peer, "HTTP/1.1 200 OK\r\nX: ")],
  ["says no more than 100 Continue", async (peer) => {
    await peer.answer("HTTP/1.1 100 Continue\r\n\r\n");
    await peer.hang();
  }],
];

for (const [what, serve] of NO_ANSWERS) {
  Deno.test(`a receiver that ${what} is a time-out`, async () => {
    const { outcome } = await outcomeOf(serve, 50);
    assert.deepEqual(outcome, { timedOut: { afterMs: 50 } });
  });
}

Deno.test("an answer whose body drips on is an answer once the time is over", async () => {
  const { outcome } = await outcomeOf(
    (peer) => drip(peer, "HTTP/1.1 202 OK\r\nContent-Length: 3999\r\n\r\nbegun"),
    50,
  );
  const { status, body } = answered(outcome);
  assert.equal(status, 202);
  assert.match(body, /^begunx*$/);
});

Deno.test("an answer whose body stops is an answer once the time is over", async () => {
  const { outcome } = await outcomeOf(async (peer) => {
    await peer.answer(`${CHUNKED}5\r\nbegun\r\n`);
    await peer.hang();
  }, 50);
  assert.deepEqual(answered(outcome), { status: 200, location: null, retryAfter: null, body: "begun" });
});

const ENDLESS: [string, string, string][] = [
  ["of an announced length", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "x".repeat(1_000)],
  ["of no length", "HTTP/1.1 200 OK\r\n\r\n", "x".repeat(1_000)],
  ["of one chunk", `${CHUNKED}fffffffff\r\n`, "x".repeat(1_000)],
  ["of many chunks", CHUNKED, `64\r\n${"x".repeat(100)}\r\n`],
];

for (const [what, start, again] of ENDLESS) {
  Deno.test(`an endless body ${what} is read only as far as it is kept`, async () => {
    const { outcome } = await outcomeOf((peer) => forever(peer, start, again));
    assert.equal(answered(outcome).body, "x".repeat(4_000));
  });
}

Deno.test("of chunks that are all overhead no more is read than fits", async () => {
  const { outcome } = await outcomeOf((peer) => forever(peer, CHUNKED, `1;${"y".repeat(500)}\r\nx\r\n`));
  assert.match(answered(outcome).body, /^x{20,60}$/);
});

Deno.test("interim answers are passed over", async () => {
  const interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
  const { outcome } = await outcomeOf((peer) => peer.answer(interim + OK));
  assert.deepEqual(answered(outcome), { status: 200, location: null, retryAfter: null, body: "ok" });
});

Deno.test("an answer in single bytes is the same answer", async () => {
  const { outcome } = await outcomeOf(async (peer) => {
    await peer.request();
    const head = "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nLocation: /x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (const byte of `${head}3\r\nabc\r\n0\r\n\r\n`) await peer.write(byte);
  });
  assert.deepEqual(answered(outcome), { status: 429, location: "/x", retryAfter: "7", body: "abc" });
});

/** A payload of about this many bytes. */
const large = (bytes: number) => ({ payload: PAYLOAD.replace("Zoë", `Zoë${"x".repeat(bytes)}`) });

Deno.test("an answer that comes before the request is written counts", async () => {
  await withServer(async (peer) => {
    await peer.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
    await peer.conn.closeWrite?.();
    await peer.hang();
  }, async (server) => {
    const { outcome } = await send(planned(server.url, large(20_000_000)), 5_000);
    assert.deepEqual(answered(outcome), { status: 413, location: null, retryAfter: null, body: "big" });
  });
});

Deno.test("a receiver that never reads is a time-out", async () => {
  const release = Promise.withResolvers<void>();
  await withServer(() => release.promise, async (server) => {
    const { outcome } = await send(planned(server.url, large(20_000_000)), 50);
    assert.deepEqual(outcome, { timedOut: { afterMs: 50 } });
    release.resolve();
  });
});

Deno.test("a slow receiver gets a large body to the byte", async () => {
  await withServer(async (peer) => {
    if (await peer.request(1_000)) await peer.write(OK);
  }, async (server) => {
    const request = planned(server.url, large(1_000_000));
    answered((await send(request, 60_000)).outcome);
    assert.equal(new TextDecoder().decode(server.requests[0]?.body), request.body);
  });
});

Deno.test("partial writes add up to the request", async () => {
  let writes = 0;
  const openSocket = async (hostname: string, port: number) => {
    const conn = await Deno.connect({ hostname, port });
    const write = conn.write.bind(conn);
    conn.write = (bytes) => {
      writes++;
      return write(bytes.subarray(0, 7));
    };
    return conn;
  };
  await withServer((peer) => peer.answerAll(), async (server) => {
    const request = planned(server.url);
    const { outcome } = await withTransport({ openSocket }, ({ send }) => send(request, 5_000));
    answered(outcome);
    const [received] = server.requests;
    assert.equal(received?.head, request.head);
    assert.equal(new TextDecoder().decode(received?.body), request.body);
    assert.equal(writes, Math.ceil(Buffer.byteLength(request.head + request.body) / 7));
  });
});

Deno.test("a request is one write", async () => {
  let writes = 0;
  const openSocket = async (hostname: string, port: number) => {
    const conn = await Deno.connect({ hostname, port });
    const write = conn.write.bind(conn);
    conn.write = (bytes) => {
      writes++;
      return write(bytes);
    };
    return conn;
  };
  await withServer((peer) => peer.answerAll(), async (server) => {
    await withTransport({ openSocket }, ({ send }) => send(planned(server.url), 5_000));
    assert.equal(writes, 1);
  });
});

Deno.test("a compressed answer is neither asked for nor unpacked", async () => {
  // A megabyte of zeros in one kilobyte.
  const packed = new Uint8Array(
    await new Response(
      new Blob([new Uint8Array(1_000_000)]).stream().pipeThrough(new CompressionStream("gzip")),
    )
      .arrayBuffer(),
  );
  await withServer(async (peer) => {
    await peer.answer(
      `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${packed.length}\r\n\r\n`,
    );
    await peer.write(packed);
  }, async (server) => {
    const { outcome } = await send(planned(server.url), 5_000);
    const { body } = answered(outcome);
    assert(body.startsWith("\x1f\ufffd\x08"), JSON.stringify(body.slice(0, 9)));
    assert(body.length <= packed.length);
    assert(!/accept-encoding/i.test(server.requests[0]!.head));
  });
});

Deno.test("nothing can begin a header of its own", () => {
  for (const id of ["a\r\nX-Admin: 1", "a\nb", "a\0", "ü"]) {
    const { batches, refused } = testDispatcher().plan(
      [claimed("http://a.example/", { id })],
      0,
    );
    assert.equal(batches.length, 0);
    assert.match(
      refused[0]!.error_message!,
      /^not sent: request: the header webhook-id holds control characters or bytes beyond ASCII; trace /,
    );
  }
  const { head } = planned("http://a.example/a b\r\nX: y?c\td\nX:%0d%0aX: é#\r\nX: z");
  assert.equal(head.split("\r\n")[0], "POST /a%20bX:%20y?cdX:%0d%0aX:%20%C3%A9 HTTP/1.1");
});

Deno.test("headers are there for whom asks", async () => {
  const head = "HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a:  2 \r\n__proto__: p\r\nContent-Length: 0\r\n\r\n";
  await withServer((peer) => peer.answer(head), async (server) => {
    const { headers } = await send(planned(server.url), 5_000, true);
    assert.deepEqual(Object.entries(headers), [["x-a", "1, 2"], ["__proto__", "p"], ["content-length", "0"]]);
    assert.deepEqual((await send(planned(server.url), 5_000)).headers, {});
  });
});

/** Runs with a server that Node runs, which prints its port and then whatever it wants to. */
async function withNode(
  script: string,
  body: (port: number, lines: ReadableStreamDefaultReader<string>) => Promise<void>,
): Promise<void> {
  const args = ["--input-type=module", "--eval", script];
  const child = new Deno.Command("node", { args, stdout: "piped" }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  try {
    await body(Number((await lines.read()).value), lines);
  } finally {
    child.kill("SIGKILL");
    await child.status;
    await lines.cancel();
  }
}

const NODE = `
  import { createServer } from "node:http";
  const server = createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const { method, url, httpVersion, rawHeaders } = request;
      const body = Buffer.concat(chunks).toString();
      // Without a length, Node sends chunks.
      response.write("{");
      response.end(JSON.stringify({ method, url, httpVersion, rawHeaders, body }).slice(1));
    });
  });
  let connections = 0;
  server.on("connection", () => console.log(++connections));
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));
`;

Deno.test("Node's HTTP server reads the same request", async () => {
  await withNode(NODE, async (port, lines) => {
    const request = planned(`http://127.0.0.1:${port}/hook?a=b#c`, { secret_key: "s", ...large(500) });
    const exchanges = await withTransport({}, async ({ send }) => {
      const first = await send(request, 5_000);
      return [first, await send(request, 5_000), await send(request, 5_000)];
    });
    for (const { outcome } of exchanges) {
      const { rawHeaders, ...received } = JSON.parse(answered(outcome).body);
      assert.deepEqual(received, {
        method: "POST",
        url: "/hook?a=b",
        httpVersion: "1.1",
        body: request.body,
      });
      const names = rawHeaders.filter((_: string, index: number) => index % 2 === 0);
      assert.deepEqual(names, [
        "Host",
        "Content-Type",
        "User-Agent",
        "webhook-id",
        "webhook-timestamp",
        "Idempotency-Key",
        "traceparent",
        "webhook-signature",
        "X-Webhook-Signature",
        "Accept",
        "Content-Length",
      ]);
      assert.equal(rawHeaders[1], `127.0.0.1:${port}`);
      assert.equal(rawHeaders.at(-1), String(Buffer.byteLength(request.body)));
    }
    // One connection for all.
    assert.equal((await lines.read()).value, "1\n");
  });
});

const RESETTING = `
  import { createServer } from "node:net";
  const server = createServer((socket) => socket.once("data", () => socket.resetAndDestroy()));
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));
`;

Deno.test("a reset is a failed connection", async () => {
  await withNode(RESETTING, async (port) => {
    const { outcome } = await send(planned(`http://127.0.0.1:${port}${SECRET_PATH}`), 5_000);
    assert.match(failed(outcome), /^127\.0\.0\.1:\d+: connection reset/i);
  });
});
