/** What many ask for at once is found out once. */

import assert from "node:assert/strict";
import { keptBriefly } from "../../functions/_shared/briefly.ts";

/** Loads 1, 2, 3 … when it is told to. */
function counted() {
  let now = 1_000_000;
  const waiting: PromiseWithResolvers<number>[] = [];
  const ask = keptBriefly(
    () => {
      const next = Promise.withResolvers<number>();
      waiting.push(next);
      return next.promise;
    },
    5_000,
    () => now,
  );
  return {
    ask,
    waiting,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

Deno.test("those who ask at once share one answer, however long it takes", async () => {
  const { ask, waiting, pass } = counted();
  const first = ask();
  pass(60_000);
  const second = ask();
  assert.equal(waiting.length, 1);
  waiting[0]!.resolve(1);
  assert.deepEqual(await Promise.all([first, second]), [1, 1]);
});

Deno.test("an answer is kept for its time, counted from the question", async () => {
  const { ask, waiting, pass } = counted();
  const first = ask();
  pass(1_000);
  waiting[0]!.resolve(1);
  await first;
  pass(3_999);
  assert.equal(await ask(), 1);
  pass(1);
  const next = ask();
  waiting[1]!.resolve(2);
  assert.equal(await next, 2);
});

Deno.test("a failure reaches those who wait and is not kept", async () => {
  const { ask, waiting } = counted();
  const both = [ask(), ask()];
  waiting[0]!.reject(new Error("no database"));
  for (const asked of both) await assert.rejects(asked, /no database/);
  const next = ask();
  waiting[1]!.resolve(2);
  assert.equal(await next, 2);
});

Deno.test("a clock that is set back keeps nothing for long", async () => {
  const { ask, waiting, pass } = counted();
  const first = ask();
  waiting[0]!.resolve(1);
  await first;
  pass(-3_600_000);
  const next = ask();
  waiting[1]!.resolve(2);
  assert.equal(await next, 2);
});
