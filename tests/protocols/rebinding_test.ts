/** DNS rebinding: a name is judged, and the connection goes to what was judged. */

import assert from "node:assert/strict";
import { AddressPolicy, type HttpRequest } from "../../functions/_shared/core.ts";
import { createAddressBook } from "../../functions/_shared/transport/addresses.ts";
import { createHttpTransport } from "../../functions/_shared/transport/http.ts";
import { planned } from "../support/http.ts";

/** A web server on one address of loopback, which counts its requests. */
function serve(hostname: string, port = 0) {
  const seen: string[] = [];
  const server = Deno.serve({ hostname, port, onListen: () => {} }, (request) => {
    seen.push(request.headers.get("host")!);
    return new Response();
  });
  return { port: server.addr.port, seen, stop: () => server.shutdown() };
}

Deno.test("a name that leads inside after it was judged leads nowhere", async () => {
  // 127.0.0.1 stands for the public address, 127.0.0.2 for one inside: the same port answers on both.
  const outside = serve("127.0.0.1");
  const inside = serve("127.0.0.2", outside.port);
  const policy = new AddressPolicy("127.0.0.1/32");
  const answers = [["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1", "127.0.0.2"], ["127.0.0.1"]];
  let asked = 0;
  let clock = 0;
  const addresses = createAddressBook({
    policy,
    resolve: () => Promise.resolve(answers[asked++]!),
    now: () => clock,
    ttlMs: 1_000,
  });
  const transport = createHttpTransport({ addresses });
  const request: HttpRequest = planned(`http://rebinding.example:${outside.port}/hook`);
  const send = async () => (await transport.send(request, 5_000)).outcome;
  try {
    assert("answered" in await send());
    // Within its time, the judged address is called, whatever the name leads to by now.
    assert("answered" in await send());
    assert.equal(asked, 1);
    for (const _ of ["inside", "mixed"]) {
      clock += 1_000;
      const outcome = await send();
      assert("addressRefused" in outcome, JSON.stringify(outcome));
      assert.match(
        outcome.addressRefused.reason,
        /^url: rebinding\.example resolves to 127\.0\.0\.2, a loopback address/,
      );
    }
    clock += 1_000;
    assert("answered" in await send());
  } finally {
    transport.close();
    await outside.stop();
    await inside.stop();
  }
  assert.deepEqual(inside.seen, []);
  // The name is the receiver's, though the address was called.
  assert.deepEqual(outside.seen, Array(3).fill(`rebinding.example:${outside.port}`));
});
