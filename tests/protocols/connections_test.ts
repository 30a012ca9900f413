/** Where connections go, and when they are used again. */

import assert from "node:assert/strict";
import { answered, failed, literal, planned, send, withTransport } from "../support/http.ts";
import { closedPort } from "../support/receiver.ts";
import { OK, withServer } from "../support/server.ts";

/** Goes to a receiver and back, so that everything sent before has arrived on this machine. */
async function roundTrip(): Promise<void> {
  await withServer((peer) => peer.answerAll(), async ({ url }) => {
    answered((await send(planned(url), 5_000)).outcome);
  });
}

const ids = (requests: { head: string }[]) =>
  requests.map(({ head }) => /^webhook-id: (.*)\r$/m.exec(head)?.[1]);

Deno.test("requests in a row share a connection", async () => {
  await withServer((peer) => peer.answerAll(), async (server) => {
    await withTransport({}, async ({ send }) => {
      for (let n = 0; n < 50; n++) answered((await send(planned(server.url, { id: `${n}` }), 5_000)).outcome);
    });
    assert.equal(server.accepted, 1);
    assert.deepEqual(ids(server.requests), Array.from({ length: 50 }, (_, n) => `${n}`));
  });
});

Deno.test("requests at once have a connection each, and those after them share these", async () => {
  await withServer((peer) => peer.answerAll(), async (server) => {
    await withTransport({}, async ({ send }) => {
      for (let round = 0; round < 5; round++) {
        await Promise.all(Array.from({ length: 10 }, () => send(planned(server.url), 5_000)));
      }
    });
    assert.equal(server.accepted, 10);
    assert.equal(server.requests.length, 50);
  });
});

Deno.test("no more than a hundred connections wait", async () => {
  const allThere = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  let closings = 0;
  await withServer(async (peer, count) => {
    await peer.request();
    if (count === 105) allThere.resolve();
    await allThere.promise;
    await peer.write(OK);
    await peer.hang();
    if (++closings === 5) closed.resolve();
  }, async (server) => {
    await withTransport({}, async ({ send }) => {
      await Promise.all(Array.from({ length: 105 }, () => send(planned(server.url), 60_000)));
      await closed.promise;
      await roundTrip();
      assert.equal(closings, 5);
    });
  });
});

const ENDS: [string, string][] = [
  ["closes", OK],
  ["says that it will close", OK.replace("\r\n", "\r\nConnection: close\r\n")],
  ["is of HTTP/1.0", OK.replace("1.1", "1.0").replace("\r\n", "\r\nConnection: keep-alive\r\n")],
  ["tells the end of its answer by closing", "HTTP/1.1 200 OK\r\n\r\nok"],
];

for (const [what, answer] of ENDS) {
  Deno.test(`a receiver that ${what} gets the next request over a new connection, and each once`, async () => {
    await withServer((peer) => peer.answer(answer), async (server) => {
      await withTransport({}, async ({ send }) => {
        for (let n = 0; n < 3; n++) {
          const { outcome } = await send(planned(server.url, { id: `${n}` }), 5_000);
          assert.equal(answered(outcome).body, "ok");
          await roundTrip();
        }
      });
      assert.equal(server.accepted, 3);
      assert.deepEqual(ids(server.requests), ["0", "1", "2"]);
    });
  });
}

Deno.test("what nobody has asked for is nobody's answer", async () => {
  const forged = "HTTP/1.1 500 Forged\r\nContent-Length: 0\r\n\r\n";
  for (const together of [true, false]) {
    await withServer(async (peer) => {
      await peer.answer(together ? OK + forged : OK);
      if (!together) await peer.write(forged);
      await peer.hang();
    }, async (server) => {
      await withTransport({}, async ({ send }) => {
        for (let n = 0; n < 3; n++) {
          assert.equal(answered((await send(planned(server.url), 5_000)).outcome).status, 200);
          await roundTrip();
        }
      });
      assert.equal(server.accepted, 3);
    });
  }
});

Deno.test("a connection that dies under a request has failed: nothing is sent twice", async () => {
  await withServer(async (peer) => {
    await peer.answer(OK);
    await peer.request();
  }, async (server) => {
    await withTransport({}, async ({ send }) => {
      answered((await send(planned(server.url, { id: "1" }), 5_000)).outcome);
      const { outcome } = await send(planned(server.url, { id: "2" }), 5_000);
      assert.match(failed(outcome), /closed the connection before it answered$/);
    });
    assert.deepEqual(ids(server.requests), ["1", "2"]);
    assert.equal(server.accepted, 1);
  });
});

Deno.test("a request of which nothing could be written goes over a new connection", async () => {
  let opened = 0;
  const openSocket = async (hostname: string, port: number) => {
    const conn = await Deno.connect({ hostname, port });
    if (++opened === 1) {
      let writes = 0;
      const write = conn.write.bind(conn);
      conn.write = (bytes) => {
        if (++writes === 1) return write(bytes);
        conn.close();
        return Promise.reject(new Deno.errors.BrokenPipe("broken pipe"));
      };
    }
    return conn;
  };
  await withServer((peer) => peer.answerAll(), async (server) => {
    await withTransport({ openSocket }, async ({ send }) => {
      for (const id of ["1", "2", "3"]) answered((await send(planned(server.url, { id }), 5_000)).outcome);
    });
    assert.deepEqual(ids(server.requests), ["1", "2", "3"]);
    assert.equal(opened, 2);
  });
});

Deno.test("a connection belongs to a host and an address", async () => {
  await withServer((peer) => peer.answerAll(), async (server) => {
    const addresses = () => Promise.resolve(["127.0.0.1"]);
    await withTransport({ addresses }, async ({ send }) => {
      for (const host of ["a.example", "b.example", "a.example"]) {
        answered((await send(planned(`http://${host}:${server.port}/`), 5_000)).outcome);
      }
    });
    assert.equal(server.accepted, 2);
    assert.deepEqual(server.requests.map(({ head }) => head.split("\r\n")[1]), [
      `Host: a.example:${server.port}`,
      `Host: b.example:${server.port}`,
      `Host: a.example:${server.port}`,
    ]);
  });
});

Deno.test("an address that may no longer be called is not, although a connection to it waits", async () => {
  const allowed = [["127.0.0.1"], []];
  await withServer((peer) => peer.answerAll(), async (server) => {
    await withTransport({ addresses: () => Promise.resolve(allowed.shift() ?? []) }, async ({ send }) => {
      answered((await send(planned(server.url), 5_000)).outcome);
      assert.match(failed((await send(planned(server.url), 5_000)).outcome), /: its name has no address$/);
    });
    assert.equal(server.requests.length, 1);
  });
});

Deno.test("addresses are tried in turn", async () => {
  await withServer((peer) => peer.answerAll(), async (server) => {
    const addresses = () => Promise.resolve(["127.0.0.2", "127.0.0.1"]);
    const { outcome } = await withTransport({ addresses }, ({ send }) => send(planned(server.url), 5_000));
    answered(outcome);
  });
});

Deno.test("each address that failed is named", async () => {
  const addresses = () => Promise.resolve(["127.0.0.2", "127.0.0.1"]);
  const url = `http://a.example:${closedPort()}/hook?token=hidden`;
  const { outcome } = await withTransport({ addresses }, ({ send }) => send(planned(url), 5_000));
  const { host } = new URL(url);
  assert.match(failed(outcome), new RegExp(`^${host}: 127.0.0.2: .*refused.*; 127.0.0.1: .*refused`));
});

Deno.test("an IPv6 receiver is called by its literal", async () => {
  let listener: Deno.TcpListener;
  try {
    listener = Deno.listen({ port: 0, hostname: "::1" });
  } catch (error) {
    console.log(`skipped: no IPv6 here: ${(error as Error).message}`);
    return;
  }
  await withServer((peer) => peer.answerAll(), async (server) => {
    const url = `http://[0:0::1]:${server.port}/`;
    for (const addresses of [literal, () => Promise.resolve(["0:0:0:0:0:0:0:1"])]) {
      const { outcome } = await withTransport({ addresses }, ({ send }) => send(planned(url), 5_000));
      answered(outcome);
    }
    assert.equal(server.requests[0]?.head.split("\r\n")[1], `Host: [::1]:${server.port}`);
  }, listener);
});

Deno.test("a name among the addresses is not followed", async () => {
  await withServer((peer) => peer.answerAll(), async (server) => {
    const addresses = () => Promise.resolve(["localhost"]);
    const { outcome } = await withTransport({ addresses }, ({ send }) => send(planned(server.url), 5_000));
    assert.match(failed(outcome), /connected to 127\.0\.0\.1 port \d+ instead|refused/);
    assert.equal(server.requests.length, 0);
  });
});

Deno.test("a refused address is an outcome of its own, and other failures to resolve are not", async () => {
  const refusal = Object.assign(new Error("a.example is 10.0.0.1, a private address"), {
    name: "AddressError",
  });
  const outcomeOf = (addresses: () => Promise<string[]>) =>
    withTransport({ addresses }, async ({ send }) => (await send(planned("http://a.example/x"), 50)).outcome);
  assert.deepEqual(await outcomeOf(() => Promise.reject(refusal)), {
    addressRefused: { reason: refusal.message },
  });
  assert.deepEqual(await outcomeOf(() => Promise.reject(new Error("ENOTFOUND"))), {
    connectionFailed: { reason: "a.example:80: ENOTFOUND" },
  });
  assert.deepEqual(
    await outcomeOf(() => {
      throw new Error("broken");
    }),
    { connectionFailed: { reason: "a.example:80: broken" } },
  );
  assert.deepEqual(await outcomeOf(() => new Promise(() => {})), { timedOut: { afterMs: 50 } });
});

Deno.test("an address that does not answer gives way to the next", async () => {
  await withServer((peer) => peer.answerAll(), async (server) => {
    const signals: AbortSignal[] = [];
    const openSocket = (hostname: string, port: number, signal: AbortSignal) => {
      signals.push(signal);
      return hostname === "127.0.0.1" ? Deno.connect({ hostname, port }) : new Promise<never>(() => {});
    };
    const outcomeOf = (addresses: string[]) =>
      withTransport(
        { addresses: () => Promise.resolve(addresses), connectTimeoutMs: 20, openSocket },
        async ({ send }) => (await send(planned(server.url), 5_000)).outcome,
      );
    answered(await outcomeOf(["192.0.2.1", "127.0.0.1"]));
    assert.deepEqual(signals.map(({ aborted }) => aborted), [true, false]);
    assert.equal(
      failed(await outcomeOf(["192.0.2.1"])),
      `127.0.0.1:${server.port}: no connection within 20 ms`,
    );
  });
});

Deno.test("a connection that comes when nobody waits any longer is closed", async () => {
  const closed = Promise.withResolvers<void>();
  await withServer((peer) => peer.hang().then(closed.resolve), async (server) => {
    const late = Promise.withResolvers<void>();
    const openSocket = async (hostname: string, port: number) => {
      await late.promise;
      return await Deno.connect({ hostname, port });
    };
    await withTransport({ openSocket }, async ({ send }) => {
      const { outcome } = await send(planned(server.url), 50);
      assert.deepEqual(outcome, { timedOut: { afterMs: 50 } });
      late.resolve();
      await closed.promise;
    });
    assert.equal(server.requests.length, 0);
  });
});
