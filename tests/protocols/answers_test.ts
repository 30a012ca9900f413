/** `tests/vectors/answers.json` over sockets: what receivers say, right, odd and hostile, in the pieces that stand there. */

import assert from "node:assert/strict";
import { answered, failed, planned, withTransport } from "../support/http.ts";
import { type Peer, withServer } from "../support/server.ts";

/** A text whose characters are bytes; with a number, so many times. */
type Text = string | [string, number];

interface Case {
  name: string;
  chunks: Text[];
  /** The receiver closes at the end of it. */
  closes?: boolean;
  /** It does not wait for the request. */
  early?: boolean;
  expect: {
    waits?: boolean;
    failure?: string;
    status?: number;
    body?: Text;
    reusable?: boolean;
    retryAfter?: string;
    location?: string;
  };
}

const CASES: Case[] = JSON.parse(
  await Deno.readTextFile(new URL("../vectors/answers.json", import.meta.url)),
);

const textOf = (text: Text) => typeof text === "string" ? text : text[0].repeat(text[1]);
const bytesOf = (text: Text) => Uint8Array.from(textOf(text), (character) => character.charCodeAt(0));

Deno.test("all of the answers were read", () => assert.equal(CASES.length, 86));

for (const { name, chunks, closes, early, expect } of CASES) {
  const serve = async (peer: Peer) => {
    // Each piece is a packet of its own, as far as that is in a program's hands.
    (peer.conn as Deno.TcpConn).setNoDelay(true);
    while (early || await peer.request()) {
      for (const chunk of chunks) await peer.write(bytesOf(chunk));
      if (closes) return;
      if (early) return await peer.hang();
    }
  };

  Deno.test(`an answer: ${name}`, async () => {
    await withServer(serve, async (server) => {
      await withTransport({}, async ({ send }) => {
        const request = planned(`${server.url}/hook?token=hidden`);
        const exchange = () => send(request, expect.waits ? 50 : 20_000);
        const { outcome } = await exchange();
        if (expect.waits) return assert.deepEqual(outcome, { timedOut: { afterMs: 50 } });
        if (expect.failure) {
          return assert.equal(failed(outcome), `127.0.0.1:${server.port}: ${expect.failure}`);
        }
        const { status, body, location = null, retryAfter = null } = expect;
        assert.deepEqual(answered(outcome), { status, location, retryAfter, body: textOf(body!) });
        // When an early answer comes, the request may not be out yet.
        if (early) return;
        assert.deepEqual((await exchange()).outcome, outcome);
        assert.equal(server.accepted, expect.reusable ? 1 : 2);
      });
    });
  });
}
