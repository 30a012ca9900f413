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

export async function drain(options: DrainOptions): Promise<Drained> {
  const { store, dispatcher, send, now, log, concurrency } = options;
  const deadline = now() + options.timeBudgetMs;
  const drained: Drained = { delivered: 0, retrying: 0, exhausted: 0, superseded: 0 };
  const outcomes: BatchOutcome[] = [];
  const refused: RowUpdate[] = [];
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
    const written = await store.record(updates);
    for (const { status } of updates) {
      if (status === "delivered") drained.delivered++;
      else if (status === "pending") drained.retrying++;
      else drained.exhausted++;
    }
    if (written < updates.length) {
      drained.superseded += updates.length - written;
      log("warn", "results_superseded", { count: updates.length - written });
    }
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

  let moreIsDue = true;
  while (true) {
    const woken = new Promise<void>((resolve) => wake = resolve);
    writeInBackground();
    const free = concurrency - underWay;
    if (moreIsDue && failure === undefined && now() < deadline && free >= concurrency / 2) {
      const rows = await store.claim(free).catch((error) => {
        failure ??= error;
        return [];
      });
      start(dispatcher.plan(rows, now()));
      moreIsDue = rows.length === free;
      continue;
    }
    if (underWay === 0 && !writing && (failure !== undefined || (!outcomes.length && !refused.length))) break;
    await woken;
  }
  if (failure !== undefined) throw failure;
  return drained;
}
