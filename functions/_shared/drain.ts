/**
 * Delivers what is due: claims as many rows as there are free slots, so that a claimed row is sent at once and its
 * lease covers one request; writes results while others are under way.
 *
 * @module
 */

import type { BatchOutcome, Dispatcher, Plan, RowUpdate } from "./core.ts";
import type { Log } from "./log.ts";
import type { Store } from "./store.ts";
import type { Send } from "./transport/http.ts";

export interface DrainOptions {
  store: Pick<Store, "claim" | "record">;
  dispatcher: Pick<Dispatcher, "plan" | "settle">;
  send: Send;
  /** Milliseconds since 1970. */
  now: () => number;
  log: Log;
  /** How many requests are under way at once. */
  concurrency: number;
  /** How long to go on claiming, in milliseconds. */
  timeBudgetMs: number;
}

/** What a run did. */
export interface Drained {
  delivered: number;
  /** Failed attempts whose delivery waits for the next one. */
  retrying: number;
  /** Deliveries that failed for good. */
  exhausted: number;
  /** Results that came after another dispatcher had taken the row: the lease was too short for them. */
  superseded: number;
}

/** Rejects if the database does, once all that was under way has ended and was offered to it. */
export async function drain(options: DrainOptions): Promise<Drained> {
  const { store, dispatcher, send, now, log, concurrency } = options;
  const deadline = now() + options.timeBudgetMs;
  const drained: Drained = { delivered: 0, retrying: 0, exhausted: 0, superseded: 0 };
  const outcomes: BatchOutcome[] = [];
  const refused: RowUpdate[] = [];
  let moreMayBeDue = true;
  let underWay = 0;
  let writing: Promise<void> | undefined;
  let failure: unknown;
  let wake = () => {};

  const start = (plan: Plan) => {
    refused.push(...plan.refused);
    for (const batch of plan.batches) {
      underWay++;
      send(batch.request, batch.timeoutMs).then((exchange) => {
        outcomes.push({ attempts: batch.attempts, outcome: exchange.outcome });
        underWay--;
        wake();
      });
    }
  };

  const write = async () => {
    const updates = [...refused.splice(0), ...dispatcher.settle(outcomes.splice(0), now())];
    const written = new Set(await store.record(updates));
    const own = updates.filter(({ id }) => written.has(id));
    for (const { disposition } of own) drained[disposition]++;
    const superseded = updates.length - own.length;
    if (superseded > 0) log("warn", "results_superseded", { count: superseded });
    drained.superseded += superseded;
    // Meanwhile, more may have come in or have become due.
    moreMayBeDue = true;
  };

  // One write at a time: what comes in meanwhile goes into the next one.
  const writeInBackground = () => {
    if (writing || (outcomes.length === 0 && refused.length === 0)) return;
    writing = write().catch((error) => {
      failure ??= error;
    }).finally(() => {
      writing = undefined;
      wake();
    });
  };

  const claim = async (limit: number) => {
    try {
      const rows = await store.claim(limit);
      moreMayBeDue = rows.length === limit;
      start(dispatcher.plan(rows, now()));
    } catch (error) {
      failure ??= error;
    }
  };

  while (true) {
    const woken = new Promise<void>((resolve) => wake = resolve);
    writeInBackground();
    const free = concurrency - underWay;
    if (moreMayBeDue && failure === undefined && now() < deadline && free >= concurrency / 2) {
      await claim(free);
    } else if (underWay > 0 || writing) {
      await woken;
    } else {
      break;
    }
  }
  if (failure !== undefined) throw failure;
  return drained;
}
