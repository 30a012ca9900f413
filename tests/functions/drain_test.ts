/** The delivery loop on its own: what it claims, sends and writes, with a store in memory. */

import assert from "node:assert/strict";
import { type ClaimedRow, Dispatcher, type RowUpdate } from "../../functions/_shared/core.ts";
import { drain, type DrainOptions } from "../../functions/_shared/drain.ts";

function row(n: number): ClaimedRow {
  return {
    id: String(n),
    event_type: "order.paid",
    payload: "{}",
    attempt: 1,
    created_at: "",
    endpoint_id: "e",
    url: "https://a.example/",
    secret_key: null,
    is_active: true,
  };
}

interface Setting {
  count: number;
  options?: Partial<DrainOptions>;
}

/** Drains `count` rows that all succeed, but for what `options` say. */
function setting({ count, options = {} }: Setting) {
  const queue = Array.from({ length: count }, (_, n) => row(n));
  const written: RowUpdate[] = [];
  const seen = { claims: [] as number[], underWay: 0, mostUnderWay: 0 };
  const all: DrainOptions = {
    store: {
      claim: (limit) => {
        seen.claims.push(limit);
        return Promise.resolve(queue.splice(0, limit));
      },
      record: (updates) => {
        written.push(...updates);
        return Promise.resolve(updates.map(({ id }) => id));
      },
    },
    dispatcher: new Dispatcher(3, 1_000),
    send: async () => {
      seen.mostUnderWay = Math.max(seen.mostUnderWay, ++seen.underWay);
      await Promise.resolve();
      seen.underWay--;
      return {
        outcome: { answered: { status: 200, location: null, retryAfter: null, body: "" } },
        headers: {},
        durationMs: 0,
      };
    },
    now: () => 0,
    log: () => {},
    concurrency: 4,
    timeBudgetMs: 1_000,
    ...options,
  };
  return { run: () => drain(all), queue, written, seen };
}

Deno.test("goes on until nothing is due, within its concurrency", async () => {
  const { run, written, seen } = setting({ count: 50 });
  assert.deepEqual(await run(), { delivered: 50, retrying: 0, exhausted: 0, superseded: 0 });
  assert.equal(new Set(written.map(({ id }) => id)).size, 50);
  assert.equal(written.length, 50);
  assert(seen.mostUnderWay <= 4, String(seen.mostUnderWay));
  assert(Math.max(...seen.claims) <= 4);
});

Deno.test("nothing due is nothing done", async () => {
  const { run, seen } = setting({ count: 0 });
  assert.deepEqual(await run(), { delivered: 0, retrying: 0, exhausted: 0, superseded: 0 });
  assert.equal(seen.claims.length, 1);
});

Deno.test("claims no more once its time is spent, and finishes what it has", async () => {
  let clock = 0;
  const { run, queue, written } = setting({ count: 50, options: { now: () => clock, timeBudgetMs: 10 } });
  const draining = run();
  clock = 10;
  assert.equal((await draining).delivered, 4);
  assert.equal(written.length, 4);
  assert.equal(queue.length, 46);
});

Deno.test("failures and refusals are counted apart", async () => {
  const rows = [row(1), { ...row(2), attempt: 3 }, { ...row(3), endpoint_id: "f", url: "ftp://x" }, row(4)];
  const { run, written } = setting({
    count: 0,
    options: {
      store: {
        claim: () => Promise.resolve(rows.splice(0)),
        record: (updates) => {
          written.push(...updates);
          return Promise.resolve(updates.map(({ id }) => id));
        },
      },
      send: (request) => {
        const status = request.head.includes("webhook-id: 4\r\n") ? 200 : 500;
        const outcome = { answered: { status, location: null, retryAfter: null, body: "" } };
        return Promise.resolve({ outcome, headers: {}, durationMs: 0 });
      },
    },
  });
  assert.deepEqual(await run(), { delivered: 1, retrying: 1, exhausted: 2, superseded: 0 });
  assert.equal(written.length, 4);
});

Deno.test("a failing claim ends the run with its error, after what is under way is written", async () => {
  let claims = 0;
  const { run, written } = setting({
    count: 0,
    options: {
      store: {
        claim: () => ++claims === 1 ? Promise.resolve([row(1), row(2)]) : Promise.reject(new Error("gone")),
        record: (updates) => {
          written.push(...updates);
          return Promise.resolve(updates.map(({ id }) => id));
        },
      },
      concurrency: 2,
    },
  });
  await assert.rejects(run, /gone/);
  assert.equal(written.length, 2);
});

Deno.test("results that another dispatcher has overtaken are counted and logged", async () => {
  const logged: string[] = [];
  const { run } = setting({
    count: 0,
    options: {
      store: {
        claim: (() => {
          const rows = [[row(1)], []];
          return () => Promise.resolve(rows.shift() ?? []);
        })(),
        record: () => Promise.resolve([]),
      },
      log: (_level, message) => logged.push(message),
    },
  });
  assert.deepEqual(await run(), { delivered: 0, retrying: 0, exhausted: 0, superseded: 1 });
  assert.deepEqual(logged, ["results_superseded"]);
});

Deno.test("a failing record ends the run with its error, after everything else was offered", async () => {
  const offered: string[] = [];
  let writes = 0;
  let writing = 0;
  const release = Promise.withResolvers<void>();
  const { run } = setting({
    count: 0,
    options: {
      store: {
        claim: (() => {
          const rows = [[row(1), row(2), row(3), row(4)]];
          return () => Promise.resolve(rows.shift() ?? []);
        })(),
        record: async (updates) => {
          // One write at a time: two could finish in either order.
          assert.equal(++writing, 1);
          await release.promise;
          writing--;
          offered.push(...updates.map(({ id }) => id));
          if (++writes === 1) throw new Error("gone");
          return updates.map(({ id }) => id);
        },
      },
      send: async (request) => {
        const id = /webhook-id: (.*)\r/.exec(request.head)?.[1];
        // The first comes at once; the others while its write is under way.
        if (id !== "1") await Promise.resolve();
        if (id === "4") release.resolve();
        return {
          outcome: { answered: { status: 200, location: null, retryAfter: null, body: "" } },
          headers: {},
          durationMs: 0,
        };
      },
    },
  });
  await assert.rejects(run, /gone/);
  assert.deepEqual(offered.toSorted(), ["1", "2", "3", "4"]);
  assert(writes >= 2, String(writes));
});

Deno.test("a row that cannot be planned ends the run, and what was under way before is written", async () => {
  const { run, written } = setting({
    count: 0,
    options: {
      concurrency: 4,
      store: {
        claim: (() => {
          const claims = [[row(1), row(2), row(3), row(4)], [{ ...row(5), attempt: -1 }]];
          return () => Promise.resolve(claims.shift() ?? []);
        })(),
        record: (updates) => {
          written.push(...updates);
          return Promise.resolve(updates.map(({ id }) => id));
        },
      },
    },
  });
  await assert.rejects(run, { name: "ShapeError" });
  assert.equal(written.length, 4);
});
