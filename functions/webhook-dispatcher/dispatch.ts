/**
 * One run: delivers what is due, says what is the matter, sums it up.
 *
 * @module
 */

import { raise } from "../_shared/alerts.ts";
import { mostWaitMs } from "../_shared/core.ts";
import { drain, type Drained } from "../_shared/drain.ts";
import { logServed } from "../_shared/journal.ts";
import type { Runtime } from "../_shared/runtime.ts";
import type { Run } from "../_shared/tracing.ts";

/** What a run did: `processed`, `failed` and `total` as callers know them, and what is left. */
export interface DispatchSummary {
  /** Deliveries that a receiver took in this run. */
  processed: number;
  /** Attempts that failed: `retrying` and `exhausted` together. */
  failed: number;
  /** All attempts of this run. */
  total: number;
  /** Failed attempts whose delivery waits for the next one. */
  retrying: number;
  /** Deliveries that failed for good. */
  exhausted: number;
  /** Deliveries that are still pending, those that wait for their next attempt included. */
  remaining: number;
  /** Those of them that could be taken now: call again if it is not zero. */
  due: number;
  duration_ms: number;
}

export interface DispatchOptions {
  /** How long to go on claiming, in milliseconds. */
  timeBudgetMs: number;
  /** How often to look again where nothing is due, in milliseconds; null to end then. */
  pollMs: number | null;
}

/** Rejects if the database does. */
export type Dispatch = (run: Run, options: DispatchOptions) => Promise<DispatchSummary>;

/** For how long a run goes on for the sake of its alerts, in milliseconds. */
const ALERTS_MS = 2_000;

export function createDispatch(runtime: Runtime): Dispatch {
  const { settings, log, now, stop } = runtime;
  const { concurrency, retryWaitMs } = settings;
  // The lease of a row that has been answered lasts at least so long still, however long it has waited before.
  const patienceMs = settings.leaseMs - settings.requestTimeoutMs - mostWaitMs();
  // What waits in a dispatcher, and what has ended, whoever runs it settles: it serves one run at a time.
  let isTaken = false;
  return async (run, { timeBudgetMs, pollMs }) => {
    const start = now();
    const isOwn = isTaken;
    const own = isOwn ? runtime.dispatcherOf(settings) : runtime;
    const parts = run.traced({ ...runtime, ...own, store: runtime.store() });
    isTaken = true;
    const onTrouble = () => raise({ store: parts.store, log }, "endpoints");
    const options = { ...parts, now, log, stop, concurrency, retryWaitMs, patienceMs, onTrouble };
    const deliver = async () => {
      const drained = await drain({ ...options, timeBudgetMs, pollMs });
      // What is the matter shows when the run is over, and is said at once.
      const alerts = stop.aborted ? 0 : await raise({ store: parts.store, log }, "all");
      if (alerts === 0) return drained;
      return sumOf(drained, await drain({ ...options, timeBudgetMs: ALERTS_MS, pollMs: null }));
    };
    const drained = await deliver().finally(() => {
      if (!isOwn) isTaken = false;
      runtime.closeConnections();
    });
    logServed(parts.dispatcher, log);
    const summary = await summaryOf(runtime, drained, start);
    // A run that looks again and again has nothing to say most of the time.
    if (pollMs === null || summary.total > 0) log("info", "dispatched", { ...summary });
    return summary;
  };
}

/** The summary of a run that delivers nothing. */
export async function summaryOfNothing(runtime: Runtime): Promise<DispatchSummary> {
  const nothing = { delivered: 0, retrying: 0, exhausted: 0, superseded: 0 };
  return await summaryOf(runtime, nothing, runtime.now());
}

async function summaryOf(runtime: Runtime, drained: Drained, start: number): Promise<DispatchSummary> {
  const { delivered, retrying, exhausted } = drained;
  const { pending, due } = await runtime.store().remaining();
  return {
    processed: delivered,
    failed: retrying + exhausted,
    total: delivered + retrying + exhausted,
    retrying,
    exhausted,
    remaining: pending,
    due,
    duration_ms: runtime.now() - start,
  };
}

function sumOf(one: Drained, other: Drained): Drained {
  return {
    delivered: one.delivered + other.delivered,
    retrying: one.retrying + other.retrying,
    exhausted: one.exhausted + other.exhausted,
    superseded: one.superseded + other.superseded,
  };
}
