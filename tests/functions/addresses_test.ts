/** Names become judged addresses: rebinding, mixed answers, the cache and its clock, shared resolutions. */

import assert from "node:assert/strict";
import { AddressPolicy } from "../../functions/_shared/core.ts";
import {
  type AddressBookOptions,
  createAddressBook,
  type Resolve,
} from "../../functions/_shared/transport/addresses.ts";

const PUBLIC = "93.184.215.14";
const OTHER = "1.1.1.1";
const PUBLIC_V6 = "2606:4700:4700::1111";

/** An address book whose resolver gives these answers in turn, and says what it was asked. */
function bookOf(
  answers: (string[] | Error)[],
  options: Partial<AddressBookOptions> & { allowed?: string } = {},
) {
  const asked: string[] = [];
  const resolve: Resolve = (name) => {
    const answer = answers[asked.push(name) - 1];
    assert(answer !== undefined, `${name}: nobody was expected to ask again`);
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };
  const { allowed = "", ...rest } = options;
  const book = createAddressBook({ policy: new AddressPolicy(allowed), resolve, ...rest });
  return { book: async (host: string) => await book(host), asked };
}

const code = (code: string) => ({ name: "AddressError", code });

Deno.test("a literal is its own address, and nobody is asked", async () => {
  const { book, asked } = bookOf([]);
  assert.deepEqual(await book("8.8.8.8"), ["8.8.8.8"]);
  assert.deepEqual(await book("0x08080808"), ["8.8.8.8"]);
  assert.deepEqual(await book(`[${PUBLIC_V6}]`), [PUBLIC_V6]);
  await assert.rejects(book("0x7f.1"), code("loopback"));
  await assert.rejects(book("[::ffff:a00:1]"), code("private"));
  await assert.rejects(book("256.1.1.1"), code("invalid_address"));
  await assert.rejects(book("localhost"), code("local_name"));
  await assert.rejects(book(""), code("empty_host"));
  assert.deepEqual(asked, []);
});

Deno.test("a name's addresses come IPv4 first, in the resolver's order otherwise", async () => {
  const { book } = bookOf([["2606:4700::2", OTHER, PUBLIC_V6, PUBLIC]]);
  assert.deepEqual(await book("a.example"), [OTHER, PUBLIC, "2606:4700::2", PUBLIC_V6]);
});

Deno.test("a name that is rebound keeps its judged address, then is judged anew and refused", async () => {
  let now = 1_000;
  const { book, asked } = bookOf([[PUBLIC], ["127.0.0.1"], [OTHER]], { now: () => now, ttlMs: 500 });
  assert.deepEqual(await book("rebind.example"), [PUBLIC]);
  now = 1_499;
  assert.deepEqual(await book("rebind.example"), [PUBLIC]);
  assert.equal(asked.length, 1);
  now = 1_500;
  await assert.rejects(book("rebind.example"), code("loopback"));
  // A refusal is not kept: the name's owner may put it right.
  assert.deepEqual(await book("rebind.example"), [OTHER]);
  assert.equal(asked.length, 3);
});

Deno.test("one address that is refused refuses them all", async () => {
  const { book } = bookOf([[PUBLIC, "10.0.0.5"], ["::1", PUBLIC], [PUBLIC, "::ffff:169.254.169.254"], []]);
  await assert.rejects(book("mixed.example"), code("private"));
  await assert.rejects(book("mixed.example"), code("loopback"));
  await assert.rejects(book("mixed.example"), code("metadata"));
  await assert.rejects(book("mixed.example"), code("no_address"));
});

Deno.test("what a self-hoster allows is called", async () => {
  const allowed = "db, *.internal.example, 127.0.0.0/8";
  const { book, asked } = bookOf([["172.18.0.2"], ["10.0.0.5"], ["127.0.0.1"], ["127.0.0.1", "::1"]], {
    allowed,
  });
  assert.deepEqual(await book("db"), ["172.18.0.2"]);
  assert.deepEqual(await book("a.internal.example"), ["10.0.0.5"]);
  assert.deepEqual(await book("localhost"), ["127.0.0.1"]);
  await assert.rejects(book("app.localhost"), code("loopback"));
  assert.deepEqual(await book("127.1"), ["127.0.0.1"]);
  assert.deepEqual(asked, ["db", "a.internal.example", "localhost", "app.localhost"]);
});

Deno.test("a name is the same in either case and with a dot at its end, and answers are not shared as objects", async () => {
  const { book, asked } = bookOf([[PUBLIC]]);
  const addresses = await book("A.example");
  assert.throws(() => (addresses as string[]).push("127.0.0.1"), TypeError);
  assert.deepEqual(await book("a.EXAMPLE."), [PUBLIC]);
  assert.deepEqual(asked, ["a.example"]);
});

Deno.test("callers share a resolution that is under way, and its failure", async () => {
  const answers: PromiseWithResolvers<string[]>[] = [];
  const { book } = bookOf([], {
    resolve: () => {
      const answer = Promise.withResolvers<string[]>();
      answers.push(answer);
      return answer.promise;
    },
  });
  const first = [book("a.example"), book("a.example"), book("b.example")];
  assert.equal(answers.length, 2);
  answers[0]!.resolve([PUBLIC]);
  answers[1]!.resolve([OTHER]);
  assert.deepEqual(await Promise.all(first), [[PUBLIC], [PUBLIC], [OTHER]]);

  const second = Promise.allSettled([book("c.example"), book("c.example")]);
  assert.equal(answers.length, 3);
  answers[2]!.resolve(["10.0.0.5"]);
  for (const result of await second) {
    assert.equal(result.status, "rejected");
    assert.equal(result.reason.code, "private");
  }
  const third = book("c.example");
  answers[3]!.resolve([PUBLIC]);
  assert.deepEqual(await third, [PUBLIC]);
});

Deno.test("a resolver's failure is a plain error, and the next call asks again", async () => {
  const { book } = bookOf([new Error("getaddrinfo ENOTFOUND a.example"), [PUBLIC]]);
  await assert.rejects(book("a.example"), {
    name: "Error",
    message: "a.example cannot be resolved: getaddrinfo ENOTFOUND a.example",
  });
  assert.deepEqual(await book("a.example"), [PUBLIC]);
});

Deno.test("the oldest of a thousand names is forgotten", async () => {
  const asked: string[] = [];
  const { book } = bookOf([], {
    now: () => 0,
    resolve: (name) => {
      asked.push(name);
      return Promise.resolve([PUBLIC]);
    },
  });
  for (let at = 0; at <= 1_000; at++) await book(`n${at}.example`);
  assert.equal(asked.length, 1_001);
  await book("n1.example");
  assert.equal(asked.length, 1_001);
  await book("n0.example");
  assert.equal(asked.length, 1_002);
});

Deno.test("the system's resolver knows the names of the host file", async () => {
  const policy = new AddressPolicy("localhost");
  const addresses = await createAddressBook({ policy })("localhost");
  assert(addresses.length > 0);
  for (const address of addresses) assert(["127.0.0.1", "::1"].includes(address), address);
});
