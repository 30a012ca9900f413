/** The delivery loop with claims ahead of free slots: what waits is sent in time, or goes back as it was. */

import assert from "node:assert/strict";
import type { Send } from "../../functions/_shared/send.ts";
import { answered, delivered, ids, memory, options, row, rows } from "../support/drains.ts";
import { drain } from "../../functions/_shared/drain.ts";

/** Answers after some milliseconds, so that there is a pace to claim by. */
const soon: Send = async () => {
  await new Promise((resolve) => setTimeout(resolve, 2));
  return answered(200);
};

Deno.test("once an endpoint has answered, more is claimed than there are slots for", async () => {
  const { store, written, claims } = memory(rows(300));
  assert.deepEqual(await drain(options(store, { send: soon })), delivered(300));
  assert.equal(new Set(ids(written)).size, 300);
  assert.equal(claims[0]?.limit, 4);
  assert(claims.some(({ limit }) => limit > 50), JSON.stringify(claims.map(({ limit }) => limit)));
  assert(claims.length < 20, String(claims.length));
});

Deno.test("what waits when the time is over goes back, and is no attempt", async () => {
  let clock = 0;
  const { store, written, givenBack, queue } = memory(rows(300, { attempt: 2 }));
  let sent = 0;
  const send: Send = async (batch) => {
    await soon(batch);
    if (++sent === 40) clock = 10_000;
    return answered(200);
  };
  const drained = await drain(options(store, { send, now: () => clock }));
  assert(givenBack.length > 0);
  assert.equal(drained.delivered, written.length);
  assert.equal(written.length + givenBack.length + queue.length, 300);
  assert.equal(new Set([...ids(written), ...ids(givenBack), ...ids(queue)]).size, 300);
  assert(givenBack.every(({ attempt }) => attempt === 2));
});

Deno.test("what waits when the platform is about to stop goes back at once", async () => {
  const controller = new AbortController();
  const { store, written, givenBack, queue } = memory(rows(300));
  let sent = 0;
  const send: Send = async (batch) => {
    await soon(batch);
    if (++sent === 40) controller.abort();
    return answered(200);
  };
  await drain(options(store, { send, stop: controller.signal }));
  // No more than the slots that were taken just then.
  assert(sent <= 44, String(sent));
  assert(givenBack.length > 0);
  assert.equal(written.length + givenBack.length + queue.length, 300);
});

Deno.test("what waits for an endpoint that fails goes back, and the others are sent", async () => {
  const queue = [
    ...rows(300, { endpoint_id: "e" }),
    ...Array.from({ length: 300 }, (_, n) => row(1_000 + n, { endpoint_id: "f", url: "https://b.example/" })),
  ];
  const { store, written, givenBack } = memory(queue);
  let sent = 0;
  const send: Send = async (batch) => {
    await soon(batch);
    return answered(batch.endpointId === "e" && ++sent > 40 ? 500 : 200);
  };
  const drained = await drain(options(store, { send }));
  const forE = written.filter(({ id }) => Number(id) < 1_000);
  assert.equal(written.length - forE.length, 300);
  assert.equal(drained.retrying, forE.filter(({ status }) => status === "pending").length);
  assert(givenBack.length > 0 && givenBack.every(({ id }) => Number(id) < 1_000));
});

Deno.test("where the database is away, what waits is not tried for long to be given back", async () => {
  const { store, written } = memory(rows(5_000));
  const gone = Object.assign(new Error("gone"), { code: "57P01" });
  let [sent, tries, claims] = [0, 0, 0];
  const claim = store.claim;
  store.claim = (...given) =>
    ++claims > 2 ? Promise.reject(Object.assign(gone, { code: "42501" })) : claim(...given);
  store.giveBack = () => {
    tries++;
    return Promise.reject(gone);
  };
  const send: Send = async (batch) => {
    await soon(batch);
    sent++;
    return answered(200);
  };
  await assert.rejects(drain(options(store, { send, sleep: () => Promise.resolve() })), /gone/);
  assert(tries <= 1, String(tries));
  assert.equal(written.length, sent);
});

Deno.test("the time that a claim has taken counts as waiting", async () => {
  let [clock, claims, sent] = [0, 0, 0];
  const { store, written, givenBack, queue } = memory(rows(300));
  const claim = store.claim;
  store.claim = (...given) => {
    // Its lease began when it was asked for.
    if (++claims > 1) clock += 3_000;
    return claim(...given);
  };
  const send: Send = async (batch) => {
    await soon(batch);
    if (++sent === 60) clock += 2_500;
    return answered(200);
  };
  await drain(options(store, { send, now: () => clock, timeBudgetMs: 20_000 }));
  assert(givenBack.length > 0, `${claims} claims, ${sent} sent`);
  assert.equal(written.length + givenBack.length + queue.length, 300);
});
