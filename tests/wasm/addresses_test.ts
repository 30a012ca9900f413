/** The address policy through its boundary: the vectors that the Rust tests read. */

import assert from "node:assert/strict";
import { AddressPolicy } from "../../functions/_shared/core.ts";

interface Case {
  host: string;
  /** What a name resolves to. */
  resolved?: string[];
  /** WEBHOOK_ALLOWED_ADDRESSES */
  allowed?: string;
  /** `public`, `allowed` or an error's code. */
  verdict: string;
  /** What a literal is read as. */
  address?: string;
  source: string;
}

Deno.test("hosts and addresses are judged as the vectors have it", async () => {
  const url = new URL("../vectors/addresses.json", import.meta.url);
  const cases: Case[] = JSON.parse(await Deno.readTextFile(url));
  assert.equal(cases.length, 390);
  let refused = 0;
  for (const { host, resolved, allowed = "", verdict, address, source } of cases) {
    const policy = new AddressPolicy(allowed);
    const judge = () => {
      const literal = policy.judgeHost(host);
      assert.equal(literal, address, host);
      if (literal === undefined) policy.judgeResolved(host, resolved!);
    };
    if (verdict === "public" || verdict === "allowed") {
      judge();
    } else {
      assert.throws(judge, { name: "AddressError", code: verdict, message: /^url: / }, `${host}: ${source}`);
      refused++;
    }
    policy.free();
  }
  assert.equal(refused, 290);
});

Deno.test("messages name the host and the fix", () => {
  const policy = new AddressPolicy("");
  assert.deepEqual(policy.errors(), []);
  assert.throws(() => policy.judgeHost("0x7f.1"), {
    code: "loopback",
    message:
      "url: 127.0.0.1 is a loopback address and is not called; a self-hoster can allow it by WEBHOOK_ALLOWED_ADDRESSES=127.0.0.1/32",
  });
  assert.throws(() => policy.judgeResolved("internal.example", ["1.1.1.1", "10.0.0.5"]), {
    code: "private",
    message:
      "url: internal.example resolves to 10.0.0.5, a private address, and is not called; a self-hoster can allow it by WEBHOOK_ALLOWED_ADDRESSES=10.0.0.5/32",
  });
});

Deno.test("what a resolver says that is no address is refused", () => {
  const policy = new AddressPolicy("::/0,0.0.0.0/0,a.example");
  for (const address of ["fe80::1%eth0", "127.1", "localhost", ""]) {
    assert.throws(() => policy.judgeResolved("a.example", ["1.1.1.1", address]), {
      name: "AddressError",
      code: "invalid_address",
    });
  }
});

Deno.test("entries that are wrong are named, and the others allow what they say", () => {
  const policy = new AddressPolicy("10.0.0.1/8, 127.0.0.0/8 http://x");
  assert.deepEqual(policy.errors(), [
    'WEBHOOK_ALLOWED_ADDRESSES: expected 10.0.0.0/8 or 10.0.0.1/32, got "10.0.0.1/8"; this entry is ignored',
    'WEBHOOK_ALLOWED_ADDRESSES: expected a range like 10.1.0.0/16, an address, a host name or *.DOMAIN, got "http://x"; this entry is ignored',
  ]);
  assert.equal(policy.judgeHost("[::ffff:127.0.0.1]"), "127.0.0.1");
  assert.equal(policy.judgeHost("localhost"), undefined);
  policy.judgeResolved("localhost", ["127.0.0.1"]);
  assert.throws(() => policy.judgeHost("10.0.0.1"), { code: "private" });
});
