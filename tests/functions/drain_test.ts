/** The delivery loop on its own: what it claims, sends and writes, with a store in memory. */

import assert from "node:assert/strict";
import { type ClaimedRow, Dispatcher, type RowUpdate } from "../../functions/_shared/core.ts";
import { drain, type DrainOptions } from "../../functions/_shared/drain.ts";
import { answerOf } from "../../functions/_shared/patience.ts";
import type { Send, Sent } from "../../functions/_shared/send.ts";
import { answered, counted, delivered, ids, memory, options, row, rows } from "../support/drains.ts";
import { requestOf } from "../support/http.ts";
import { testDispatcher, testSettings } from "../support/settings.ts";

Deno.test("goes on until nothing is due, within its concurrency", async () => {
  const { store, written } = memory(rows(50));
  let [underWay, most] = [0, 0];
  const send = async () => {
    most = Math.max(most, ++underWay);
    await Promise.resolve();
    underWay--;
    return answered(200);
  };
  assert.deepEqual(await drain(options(store, { send })), delivered(50));
  assert.equal(new Set(ids(written)).size, 50);
  assert.equal(written.length, 50);
  assert(most <= 4, String(most));
});

Deno.test("nothing due is nothing claimed", async () => {
  const { store, claims } = memory([]);
  assert.deepEqual(await drain(options(store)), delivered(0));
  assert.equal(claims.length, 0);
});

Deno.test("a slow endpoint does not hold up the others, and a full one is not claimed for", async () => {
  const slow = rows(20, { endpoint_id: "slow", url: "https://slow.example/" });
  const fast = Array.from({ length: 20 }, (_, n) => row(100 + n, { endpoint_id: "fast" }));
  const { store, claims } = memory([...slow, ...fast]);
  const release = Promise.withResolvers<void>();
  let [slowUnderWay, fastSent] = [0, 0];
  const send: Send = async (batch) => {
    if (requestOf(batch).url === "https://slow.example/") {
      assert(++slowUnderWay <= 2, "more than its share");
      await release.promise;
      slowUnderWay--;
    } else if (++fastSent === 20) {
      // The last fast one lets the slow ones go: it would wait for ever if it had to wait for them.
      release.resolve();
    }
    return answered(200);
  };
  const settings = testSettings({ concurrency: 4, endpointConcurrency: 2 });
  const dispatcher = new Dispatcher(settings, () => undefined);
  assert.deepEqual(await drain(options(store, { send, dispatcher })), delivered(40));
  const whileFull = claims.filter(({ allowances }) => allowances.some(({ id }) => id === "fast"));
  assert(whileFull.some(({ allowances }) => allowances.every(({ id }) => id !== "slow")));
});

Deno.test("claims no more once its time is spent, and finishes what it has", async () => {
  let clock = 0;
  const { store, written, queue } = memory(rows(50));
  const claim = store.claim;
  store.claim = (limit, allowances) => {
    clock = 10;
    return claim(limit, allowances);
  };
  assert.equal((await drain(options(store, { now: () => clock, timeBudgetMs: 10 }))).delivered, 4);
  assert.equal(written.length, 4);
  assert.equal(queue.length, 46);
});

Deno.test("claims no more once the platform is about to stop it, and finishes what it has", async () => {
  const controller = new AbortController();
  const { store, written, queue } = memory(rows(50));
  const send = () => {
    controller.abort();
    return Promise.resolve(answered(200));
  };
  assert.equal((await drain(options(store, { send, stop: controller.signal }))).delivered, 4);
  assert.deepEqual([written.length, queue.length], [4, 46]);
});

Deno.test("goes on to let requests end after the platform's warning, without spinning", async () => {
  const controller = new AbortController();
  const { store, written } = memory(rows(4));
  const send = async () => {
    controller.abort();
    await new Promise((resolve) => setTimeout(resolve, 20));
    return answered(200);
  };
  let asked = 0;
  const now = () => ++asked;
  const run = drain(options(store, { send, stop: controller.signal, now, timeBudgetMs: 1e9 }));
  assert.equal((await run).delivered, 4);
  assert.equal(written.length, 4);
  assert(asked < 1_000, `${asked} turns`);
});

Deno.test("results that come in while it decides to end are written", async () => {
  const { store, written } = memory([row(1)]);
  const answer = Promise.withResolvers<Sent>();
  const dispatcher = testDispatcher();
  let orders = 0;
  const claimOrder = dispatcher.claimOrder.bind(dispatcher);
  dispatcher.claimOrder = (...given) => {
    if (++orders > 1) answer.resolve(answered(200));
    return claimOrder(...given);
  };
  assert.deepEqual(
    await drain(options(store, { dispatcher, send: () => answer.promise })),
    delivered(1),
  );
  assert.equal(written.length, 1);
});

Deno.test("a claim on a connection that was cut is repeated", async () => {
  const { store } = memory(rows(3));
  const claim = store.claim;
  let claims = 0;
  store.claim = (limit, allowances) =>
    ++claims === 1
      ? Promise.reject(Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }))
      : claim(limit, allowances);
  assert.deepEqual(await drain(options(store)), delivered(3));
});

Deno.test("a rate lower than the wait for retries is paced within the time of the call", async () => {
  const { store } = memory(rows(3, { url: "https://a.example/#rate=20/s" }));
  const run = drain(options(store, { now: Date.now, retryWaitMs: 0, timeBudgetMs: 10_000 }));
  assert.deepEqual(await run, delivered(3));
});

Deno.test("an endpoint whose URL has changed meanwhile is not switched off for the old one", async () => {
  const retired: { id: string; url: string }[] = [];
  const { store } = memory([row(1), row(2, { url: "https://new.example/" })]);
  store.retire = (endpoints) => {
    retired.push(...endpoints);
    return Promise.resolve([]);
  };
  const send: Send = (batch) =>
    Promise.resolve(answered(requestOf(batch).url === "https://a.example/" ? 410 : 200));
  await drain(options(store, { send }));
  assert.deepEqual(retired, [{ id: "e", url: "" }]);
});

Deno.test("waits for what becomes due soon, and not for what is due later", async () => {
  for (const [waitMs, expected] of [[20, 1], [60_000, 0]] as const) {
    const queue: ClaimedRow[] = [];
    const { store, written } = memory(queue);
    const { endpoints } = store;
    let asked = 0;
    store.endpoints = async () => {
      if (asked++ > 0) return await endpoints();
      queue.push(row(1));
      return [{ ...(await endpoints())[0]!, due: 0, next_due_in_ms: waitMs }];
    };
    const run = drain(options(store, { now: Date.now, retryWaitMs: 5_000, timeBudgetMs: 10_000 }));
    assert.equal((await run).delivered, expected);
    assert.equal(written.length, expected);
  }
});

Deno.test("failures and refusals are counted apart", async () => {
  const { store, written } = memory([
    row(1),
    row(2, { attempt: 3 }),
    row(3, { endpoint_id: "f", url: "ftp://x" }),
    row(4),
  ]);
  const send: Send = (batch) =>
    Promise.resolve(answered(/webhook-id: 4\r/.test(requestOf(batch).head) ? 200 : 500));
  assert.deepEqual(await drain(options(store, { send })), {
    delivered: 1,
    retrying: 1,
    exhausted: 2,
    superseded: 0,
  });
  assert.equal(written.length, 4);
});

Deno.test("a failing claim ends the run with its error, after what is under way is written", async () => {
  const { store, written } = memory(rows(8));
  const claim = store.claim;
  let claims = 0;
  store.claim = (limit, allowances) =>
    ++claims === 1
      ? claim(limit, allowances)
      : Promise.reject(Object.assign(new Error("gone"), { code: "42501" }));
  await assert.rejects(drain(options(store)), /gone/);
  assert.equal(written.length, 4);
});

Deno.test("results that another dispatcher has overtaken are counted and logged", async () => {
  const logged: string[] = [];
  const { store } = memory([row(1)]);
  store.write = () => Promise.resolve(counted([]));
  const log = (_level: string, message: string) => logged.push(message);
  assert.deepEqual(await drain(options(store, { log })), { ...delivered(0), superseded: 1 });
  assert.deepEqual(logged, ["results_superseded"]);
});

Deno.test("a record that fails is repeated, and nothing is sent again for that", async () => {
  const { store, written } = memory(rows(3));
  const { write } = store;
  const [logged, waited] = [[] as string[], [] as number[]];
  let tries = 0;
  let sent = 0;
  store.write = (updates) =>
    ++tries < 4 ? Promise.reject(new Error("terminating connection")) : write(updates);
  const run = drain(options(store, {
    log: (_level, message) => logged.push(message),
    sleep: (ms) => {
      waited.push(ms);
      return Promise.resolve();
    },
    send: () => {
      sent++;
      return Promise.resolve(answered(200));
    },
  }));
  assert.deepEqual(await run, delivered(3));
  assert.deepEqual([sent, written.length], [3, 3]);
  assert.deepEqual(logged, ["database_retried", "database_retried", "database_retried"]);
  assert.deepEqual(waited, [50, 100, 200]);
});

Deno.test("a record that goes on failing ends the run once the rows are no longer its own", async () => {
  const { store } = memory(rows(3));
  let clock = 0;
  store.write = () => Promise.reject(Object.assign(new Error("gone"), { code: "57P01" }));
  const sleep = (ms: number) => {
    clock += ms;
    return Promise.resolve();
  };
  await assert.rejects(drain(options(store, { sleep, now: () => clock, patienceMs: 5_000 })), /gone/);
  assert(clock > 3_000 && clock <= 5_000, String(clock));
});

Deno.test("a query that never settles is a failure like others", async () => {
  const silent = answerOf(new Promise<never>(() => {}), 1);
  await assert.rejects(silent, {
    message: "the database did not answer within 1 ms",
    code: "CONNECTION_SILENT",
  });
  assert.equal(await answerOf(Promise.resolve(7), 60_000), 7);
});

Deno.test("one result that the database refuses does not keep the others from being written", async () => {
  const { store, written } = memory(rows(4));
  const { write } = store;
  const logged: unknown[] = [];
  store.write = (updates) =>
    JSON.parse(updates).some(({ id }: RowUpdate) => id === "2")
      ? Promise.reject(Object.assign(new Error("cannot be stored"), { code: "22P05" }))
      : write(updates);
  const log: DrainOptions["log"] = (level, message, fields) =>
    logged.push([level, message, fields?.delivery_id]);
  assert.deepEqual(await drain(options(store, { log })), { ...delivered(3), superseded: 1 });
  assert.deepEqual(ids(written).toSorted(), ["0", "1", "3"]);
  assert.deepEqual(logged[0], ["error", "result_refused", "2"]);
});

Deno.test("one write at a time: what comes in meanwhile goes into the next one", async () => {
  const { store } = memory(rows(4));
  const offered: string[][] = [];
  let writing = 0;
  const [begun, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  store.write = async (updates) => {
    assert.equal(++writing, 1);
    const all: RowUpdate[] = JSON.parse(updates);
    offered.push(ids(all));
    begun.resolve();
    await release.promise;
    writing--;
    return counted(all);
  };
  let [sent, ended] = [0, 0];
  const send = async () => {
    // The first comes at once; the others while its write is under way.
    if (++sent > 1) await begun.promise;
    if (++ended === 4) release.resolve();
    return answered(200);
  };
  assert.deepEqual(await drain(options(store, { send })), delivered(4));
  assert.deepEqual(offered.map((one) => one.length), [1, 3]);
  assert.equal(new Set(offered.flat()).size, 4);
});

Deno.test("an endpoint that answers 410 is switched off at the URL that has answered", async () => {
  const retired: unknown[] = [];
  const logged: unknown[] = [];
  const { store } = memory(rows(2));
  store.retire = (endpoints) => {
    retired.push(...endpoints);
    return Promise.resolve(ids([...endpoints]));
  };
  const log: DrainOptions["log"] = (_level, message, fields) => logged.push([message, fields?.endpoint]);
  const run = drain(options(store, { log, send: () => Promise.resolve(answered(410)) }));
  assert.deepEqual(await run, { ...delivered(0), exhausted: 2 });
  assert.deepEqual(retired, [{ id: "e", url: "https://a.example/" }]);
  assert.deepEqual(logged, [["attempt_failed", "e"], ["attempt_failed", "e"], [
    "endpoint_switched_off",
    "e",
  ]]);
});

Deno.test("rows that cannot be planned end the run, and what was under way before is written", async () => {
  const { store, written } = memory([...rows(4), row(5, { attempt: -1 })]);
  await assert.rejects(drain(options(store)), { name: "ShapeError" });
  assert.equal(written.length, 4);
});

Deno.test("results do not wait for what is told of trouble, and the run does", async () => {
  const queue = [
    ...rows(5),
    ...[5, 6, 7].map((n) => row(n, { endpoint_id: "f", url: "https://b.example/" })),
  ];
  const { store, written } = memory(queue);
  const [begun, told, all] = [0, 1, 2].map(() => Promise.withResolvers<void>()) as [Bell, Bell, Bell];
  const { write } = store;
  store.write = async (updates) => {
    const counts = await write(updates);
    if (written.length === 8) all.resolve();
    return counts;
  };
  let isOver = false;
  const run = drain(options(store, {
    dispatcher: testDispatcher({ concurrency: 20, endpointConcurrency: 10 }),
    concurrency: 20,
    onTrouble: () => {
      begun.resolve();
      return told.promise;
    },
    // The others answer once the breaker of the first has opened.
    send: async ({ endpointId }) => {
      if (endpointId === "e") return answered(500);
      await begun.promise;
      return answered(200);
    },
  }));
  run.finally(() => isOver = true);
  await all.promise;
  assert.equal(isOver, false);
  told.resolve();
  const { delivered, retrying } = await run;
  assert.deepEqual([delivered, retrying], [3, 5]);
});

type Bell = PromiseWithResolvers<void>;

Deno.test("requests of many deliveries that do not fit into one leave no slots to claim for", async () => {
  const payload = JSON.stringify({ data: "x".repeat(200_000) });
  const { store } = memory(rows(30, { url: "sqs://orders", payload }));
  const dispatcher = testDispatcher({ concurrency: 2, endpointConcurrency: 2 });
  const asked: number[] = [];
  const claimOrder = dispatcher.claimOrder.bind(dispatcher);
  dispatcher.claimOrder = (free, nowMs) => {
    asked.push(free);
    return claimOrder(free, nowMs);
  };
  const send: Send = async ({ carrier }) => {
    await new Promise((resolve) => setTimeout(resolve, 2));
    return { ...answered(200), carrier };
  };
  assert.deepEqual(await drain(options(store, { send, dispatcher, concurrency: 2 })), delivered(30));
  assert(asked.every((free) => free >= 0), asked.join());
});

Deno.test("a core that has failed for good ends the run", async () => {
  const { store } = memory(rows(8));
  const dispatcher = testDispatcher({ concurrency: 4, endpointConcurrency: 4 });
  const broken = () => {
    throw new Error("unreachable");
  };
  dispatcher.takeIn = () => {
    Object.defineProperties(dispatcher, { waiting: { get: broken }, unwritten: { get: broken } });
    return broken();
  };
  await assert.rejects(drain(options(store, { dispatcher })), /unreachable/);
});

Deno.test("a claim that somebody else was ahead of is tried once more, and not for ever", async () => {
  for (const ahead of [1, Infinity]) {
    const { store } = memory(rows(3));
    const claim = store.claim;
    let claims = 0;
    store.claim = (...given) => ++claims <= ahead ? Promise.resolve([]) : claim(...given);
    assert.deepEqual(await drain(options(store)), delivered(ahead === 1 ? 3 : 0));
    if (ahead === Infinity) assert.equal(claims, 2);
  }
});
