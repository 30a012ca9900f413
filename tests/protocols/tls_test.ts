/** HTTPS: whose certificate is accepted. */

import assert from "node:assert/strict";
import { makeCertificates } from "../support/certificates.ts";
import { answered, failed, planned, withTransport } from "../support/http.ts";
import { OK, type Serve, type Server, withServer } from "../support/server.ts";

const certificates = await makeCertificates();
if (!certificates) console.log("skipped: HTTPS needs the program openssl to make certificates");

interface Tls {
  ca: string;
  server: Server;
  /** The outcome of a request to this host, whatever its address. */
  outcomeOf: (host: string, caCerts?: string[]) => ReturnType<typeof requestTo>;
}

async function requestTo(server: Server, host: string, caCerts: string[]) {
  const addresses = () => Promise.resolve(["127.0.0.1"]);
  return await withTransport({ addresses, caCerts }, async ({ send }) => {
    return (await send(planned(`https://${host}:${server.port}/hook?token=hidden`), 5_000)).outcome;
  });
}

/** Registers a test with a receiver that has a certificate for `localhost`, 127.0.0.1 and ::1. */
function tlsTest(name: string, body: (tls: Tls) => Promise<void>, serve: Serve = (peer) => peer.answerAll()) {
  Deno.test({
    name,
    ignore: !certificates,
    fn: async () => {
      const { ca, cert, key } = certificates!;
      const listener = Deno.listenTls({ port: 0, hostname: "127.0.0.1", cert, key });
      await withServer(serve, (server) => {
        return body({ ca, server, outcomeOf: (host, caCerts = [ca]) => requestTo(server, host, caCerts) });
      }, listener);
    },
  });
}

tlsTest("a certificate for the URL's host is accepted, names and addresses alike", async ({ outcomeOf }) => {
  for (const host of ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"]) {
    assert.equal(answered(await outcomeOf(host)).body, "ok", host);
  }
});

tlsTest("a certificate for another name is refused, and nothing is sent", async ({ outcomeOf, server }) => {
  for (const host of ["a.example", "127.0.0.2", "[::2]"]) {
    const reason = failed(await outcomeOf(host));
    assert.match(reason, /: TLS: its certificate is for another name \(/);
    assert(reason.startsWith(`${host}:${server.port}: `), reason);
    assert(!reason.includes("hidden"), reason);
  }
  assert.equal(server.requests.length, 0);
});

tlsTest("a certificate of an unknown authority is refused", async ({ outcomeOf, server }) => {
  const reason = failed(await outcomeOf("localhost", []));
  assert.match(reason, /: TLS: its certificate is of no authority that is trusted here \(.*UnknownIssuer\)$/);
  assert.equal(server.requests.length, 0);
});

tlsTest("requests in a row share a TLS connection", async ({ ca, server }) => {
  const addresses = () => Promise.resolve(["127.0.0.1"]);
  await withTransport({ addresses, caCerts: [ca] }, async ({ send }) => {
    for (let n = 0; n < 20; n++) {
      answered((await send(planned(`https://localhost:${server.port}/`), 5_000)).outcome);
    }
  });
  assert.equal(server.accepted, 1);
  assert.equal(server.requests.length, 20);
});

tlsTest("a body that ends with the TLS connection is whole", async ({ outcomeOf }) => {
  assert.equal(answered(await outcomeOf("localhost")).body, "until closed");
}, (peer) => peer.answer("HTTP/1.1 200 OK\r\n\r\nuntil closed"));

tlsTest("a large body passes through TLS", async ({ ca, server }) => {
  const payload = JSON.stringify({ event: "order.paid", data: "x".repeat(1_000_000) });
  const addresses = () => Promise.resolve(["127.0.0.1"]);
  const request = planned(`https://localhost:${server.port}/`, { payload });
  await withTransport({ addresses, caCerts: [ca] }, async ({ send }) => {
    answered((await send(request, 60_000)).outcome);
  });
  assert.equal(new TextDecoder().decode(server.requests[0]?.body), request.body);
});

Deno.test("a receiver without TLS is told apart", async () => {
  await withServer(async (peer) => {
    await peer.conn.read(new Uint8Array(65_536));
    await peer.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    await peer.hang();
  }, async (server) => {
    assert.match(failed(await requestTo(server, "localhost", [])), /: TLS: it speaks no TLS on this port \(/);
  });
});

Deno.test("a receiver that is silent at the handshake is no connection", async () => {
  await withServer((peer) => peer.hang(), async (server) => {
    const addresses = () => Promise.resolve(["127.0.0.1"]);
    await withTransport({ addresses, connectTimeoutMs: 50 }, async ({ send }) => {
      const { outcome } = await send(planned(`https://localhost:${server.port}/`), 5_000);
      assert.match(failed(outcome), /: no connection within 50 ms$/);
    });
  });
});

Deno.test("plain HTTP goes to no TLS port unnoticed", { ignore: !certificates }, async () => {
  const { cert, key } = certificates!;
  const listener = Deno.listenTls({ port: 0, hostname: "127.0.0.1", cert, key });
  await withServer((peer) => peer.answer(OK), async (server) => {
    const { outcome } = await withTransport({}, ({ send }) => send(planned(server.url), 5_000));
    assert.match(failed(outcome), /no HTTP\/1\.1|closed the connection|reset/);
  }, listener);
});
