/** The chaos run's account: what it excuses, and what it does not. */

import assert from "node:assert/strict";
import { account, spanOf } from "../../stack/chaos/account.mjs";

const ID = "11111111-1111-4111-8111-111111111111";
const TIMEOUT_MS = 1_000;
const LEASE_MS = 11_000;

type Facts = Parameters<typeof account>[0];

/** A delivery's story as its parts see it, in milliseconds since the run's start. */
class Story {
  facts: Facts = {
    deliveries: new Map([[ID, { receiver: 0, n: 0 }]]),
    rows: [{ id: ID, status: "pending", attempts: 0, error_message: null }],
    journal: [],
    requests: [],
    dispatchers: new Map(),
    outages: [],
    timeoutMs: TIMEOUT_MS,
    leaseMs: LEASE_MS,
  };

  claim(number: number, by: string, at: number): this {
    this.facts.dispatchers.set(by, { name: by, killedAt: null, diedByItself: false });
    return this.#change({
      at,
      dispatcher: by,
      attempts_before: number - 1,
      attempts: number,
      status: "pending",
    });
  }

  /** Acknowledged after `tookMs` milliseconds. */
  request(attempt: number, at: number, { acknowledged = true, body = "{}", tookMs = 0 } = {}): this {
    const acknowledgedAt = acknowledged ? at + tookMs : null;
    const span = spanOf(ID, attempt);
    this.facts.requests.push({ id: ID, receiver: 0, span, at, acknowledgedAt, body, problem: null });
    return this;
  }

  write(number: number, by: string, at: number, status: string, error_message: string | null = null): this {
    const attempts = { attempts_before: number, attempts: number };
    return this.#change({ at, dispatcher: by, ...attempts, status, error_message });
  }

  /** What was claimed and not sent goes back. */
  giveBack(number: number, by: string, at: number): this {
    const attempts = { attempts_before: number, attempts: number - 1 };
    return this.#change({ at, dispatcher: by, ...attempts, status: "pending" });
  }

  kill(name: string, at: number): this {
    this.facts.dispatchers.set(name, { name, killedAt: at, diedByItself: false });
    return this;
  }

  outage(from: number, to: number): this {
    this.facts.outages.push({ from, to });
    return this;
  }

  /** Another delivery that the same dispatcher has written. */
  written(by: string, at: number): this {
    const id = "22222222-2222-4222-8222-222222222222";
    const change = { dispatcher: by, id, attempts: 1, error_message: null };
    this.facts.journal.push(
      { ...change, at, attempts_before: 0, status: "pending" },
      { ...change, at: at + 1, attempts_before: 1, status: "failed" },
    );
    return this;
  }

  #change(
    change: Omit<Facts["journal"][number], "id" | "error_message"> & { error_message?: string | null },
  ): this {
    const { attempts, status } = change;
    const whole = { id: ID, error_message: null, ...change };
    this.facts.journal.push(whole);
    this.facts.rows = [{ id: ID, status, attempts, error_message: whole.error_message }];
    return this;
  }

  /** Delivered in the end by attempt 2 of dispatcher b. */
  deliveredByB(): this {
    return this.claim(2, "b", 20_000).request(2, 20_010).write(2, "b", 20_020, "delivered");
  }

  get found() {
    const { lost, unexplained, duplicates, causes } = account(this.facts);
    return { lost, unexplained: unexplained.map(({ what }) => what), duplicates, causes };
  }
}

/** Dispatcher a claims the delivery, and its receiver acknowledges it. */
const acknowledged = () => new Story().claim(1, "a", 1_000).request(1, 1_010);

const NOTHING = { kill: 0, outage: 0, "late answer": 0 };
const NEVER_WRITTEN = "attempt 1 was acknowledged, and a, which was not killed then, never wrote it";

Deno.test("a delivery that arrives once and is written is in order", () => {
  assert.deepEqual(acknowledged().write(1, "a", 1_020, "delivered").found, {
    lost: 0,
    unexplained: [],
    duplicates: 0,
    causes: NOTHING,
  });
});

Deno.test("a kill, an outage and a late answer explain a duplicate", () => {
  const explained = {
    kill: acknowledged().kill("a", 1_500).deliveredByB(),
    outage: acknowledged().outage(1_005, 3_000).deliveredByB(),
    "late answer": new Story().claim(1, "a", 1_000).request(1, 1_010, { tookMs: 980 })
      .write(1, "a", 2_010, "pending", "timed out after 1000 ms").deliveredByB(),
  };
  for (const [cause, story] of Object.entries(explained)) {
    assert.deepEqual(story.found, {
      lost: 0,
      unexplained: [],
      duplicates: 1,
      causes: { ...NOTHING, [cause]: 1 },
    });
  }
});

Deno.test("a duplicate that nothing explains is told", () => {
  const unexplained = {
    "nothing happened": acknowledged(),
    "another one was killed": acknowledged().kill("c", 1_500),
    "killed after the lease": acknowledged().kill("a", 13_000),
    "killed after it had written what came later": acknowledged().written("a", 5_000).kill("a", 6_000),
    "PostgreSQL went down after it had written what came later": acknowledged().written("a", 5_000)
      .outage(6_000, 7_000),
    "PostgreSQL was down before": acknowledged().outage(0, 1_000),
    "PostgreSQL was down after the lease": acknowledged().outage(12_500, 13_000),
  };
  for (const [why, story] of Object.entries(unexplained)) {
    const { duplicates, unexplained, lost } = story.deliveredByB().found;
    assert.deepEqual([duplicates, lost], [1, 0], why);
    assert.deepEqual(unexplained, [NEVER_WRITTEN], why);
  }
});

Deno.test("an acknowledgement that was written as a failure is told", () => {
  const early = acknowledged().write(1, "a", 2_000, "pending", "timed out after 1000 ms").deliveredByB();
  assert.match(early.found.unexplained.join(), /^attempt 1 was acknowledged, and a wrote "timed out/);
  const behind = acknowledged().write(1, "a", 2_300, "pending", "timed out after 1000 ms").deliveredByB();
  assert.deepEqual(behind.found.causes, { ...NOTHING, "late answer": 1 });
  const other = acknowledged().write(1, "a", 1_020, "pending", "HTTP 500").deliveredByB();
  assert.match(other.found.unexplained.join(), /^attempt 1 was acknowledged, and a wrote "HTTP 500"/);
});

Deno.test("what is not delivered is lost, and told where it was acknowledged", () => {
  assert.deepEqual([new Story().found.lost, new Story().found.unexplained], [1, []]);
  const gone = new Story();
  gone.facts.rows = [];
  assert.deepEqual([gone.found.lost, gone.found.unexplained], [1, ["its row is gone"]]);
  const silent = new Story().claim(1, "a", 1_000).write(1, "a", 1_010, "failed");
  assert.deepEqual([silent.found.lost, silent.found.unexplained], [1, ["it failed without a reason"]]);
  const pending = acknowledged().kill("a", 1_500);
  assert.deepEqual([pending.found.lost, pending.found.unexplained], [1, [
    "it was acknowledged, and its row says pending",
  ]]);
});

Deno.test("a success that no receiver acknowledged is told", () => {
  const told = ["its row says delivered by attempt 1, which no receiver acknowledged"];
  const never = new Story().claim(1, "a", 1_000).write(1, "a", 1_020, "delivered");
  assert.deepEqual(never.found.unexplained, told);
  const refused = new Story().claim(1, "a", 1_000).request(1, 1_010, { acknowledged: false })
    .write(1, "a", 1_020, "delivered");
  assert.deepEqual(refused.found.unexplained, told);
});

Deno.test("requests and writes that belong to no claim are told", () => {
  const unclaimed = acknowledged().request(2, 1_015).write(1, "a", 1_020, "delivered");
  assert.deepEqual(unclaimed.found.unexplained, ["receiver 0: no dispatcher had claimed it"]);
  const early = new Story().claim(1, "a", 1_000).request(1, 990).write(1, "a", 1_020, "pending", "HTTP 500");
  assert.deepEqual(early.found.unexplained, ["receiver 0: no dispatcher had claimed it"]);
  const foreign = acknowledged().write(1, "c", 1_020, "delivered");
  assert.match(foreign.found.unexplained[0]!, /^c wrote to a row that was not its own/);
});

Deno.test("an attempt that is sent twice is told, though nobody answered the first time", () => {
  const twice = new Story().claim(1, "a", 1_000).request(1, 1_010, { acknowledged: false })
    .request(1, 1_020, { acknowledged: false }).write(1, "a", 1_030, "pending", "HTTP 500");
  assert.deepEqual(twice.found.unexplained, ["receiver 0: attempt 1 was sent twice"]);
});

Deno.test("copies that differ, requests with a problem and processes that die by themselves are told", () => {
  const differing = acknowledged().kill("a", 1_500).claim(2, "b", 20_000).request(2, 20_010, { body: "[]" })
    .write(2, "b", 20_020, "delivered");
  assert.deepEqual(differing.found.unexplained.slice(0, 1), ["receiver 0: its copies differ"]);
  const forged = acknowledged().write(1, "a", 1_020, "delivered");
  forged.facts.requests.push({ ...forged.facts.requests[0]!, problem: "No matching signature found" });
  assert.deepEqual(forged.found.unexplained, ["receiver 0: No matching signature found"]);
  const dead = acknowledged().write(1, "a", 1_020, "delivered");
  dead.facts.dispatchers.get("a")!.diedByItself = true;
  assert.deepEqual(dead.found.unexplained, ["a died by itself"]);
});

Deno.test("what was claimed ahead and given back is no attempt, unless somebody has sent it all the same", () => {
  const claimed = () => new Story().claim(1, "a", 1_000);
  const anew = (story: Story) =>
    story.claim(1, "b", 3_000).request(1, 3_010).write(1, "b", 3_020, "delivered");
  assert.deepEqual(anew(claimed().giveBack(1, "a", 2_000)).found, {
    lost: 0,
    unexplained: [],
    duplicates: 0,
    causes: NOTHING,
  });
  const sent = anew(claimed().request(1, 1_010).giveBack(1, "a", 2_000)).found;
  assert.match(sent.unexplained.join(), /no dispatcher had claimed it/);
  const foreign = anew(claimed().giveBack(1, "c", 2_000)).found;
  assert.match(foreign.unexplained.join(), /^c gave back what was not its own/);
});
