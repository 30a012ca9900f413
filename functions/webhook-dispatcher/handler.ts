/**
 * `POST /functions/v1/webhook-dispatcher`: puts failed deliveries back if it is asked to, delivers what is due and
 * says what it did.
 *
 * @module
 */

import { readReplay, type Replay } from "../_shared/core.ts";
import { drain } from "../_shared/drain.ts";
import { badRequest, guarded, type Handler, json, textOf, unauthorized } from "../_shared/respond.ts";
import type { Runtime } from "../_shared/runtime.ts";
import { type Replayed, TimeError } from "../_shared/store.ts";
import type { Run } from "../_shared/tracing.ts";

/** The answer: `processed`, `failed` and `total` as callers know them, and what is left. */
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
  /** What became of the replay that was asked for. */
  replay?: ReplaySummary;
}

export type ReplaySummary = Omit<Replayed, "endpoints"> & { dry_run: boolean };

export function createHandler(runtime: Runtime): Handler {
  return runtime.traced((run) => handlerOf(runtime, run));
}

function handlerOf(runtime: Runtime, run: Run): Handler {
  const { settings, log, now, stop } = runtime;
  const { concurrency, timeBudgetMs, retryWaitMs } = settings;
  // The lease of a row that has been answered lasts at least so long still.
  const patienceMs = settings.leaseMs - settings.requestTimeoutMs;
  return guarded(["POST"], log, async (request) => {
    if (!runtime.isAuthorized(request)) throw unauthorized();
    const replay = replayIn(await textOf(request, MOST_BODY_BYTES));
    const start = now();
    const { store, dispatcher, send } = run.traced({ ...runtime, store: runtime.store() });
    const replayed = replay && await putBack(runtime, replay);
    const options = { concurrency, timeBudgetMs, retryWaitMs, patienceMs, stop };
    const drained = replay?.dryRun
      ? { delivered: 0, retrying: 0, exhausted: 0 }
      : await drain({ store, dispatcher, send, now, log, ...options }).finally(runtime.closeConnections);
    const { pending, due } = await store.remaining();
    const { delivered, retrying, exhausted } = drained;
    const summary = {
      processed: delivered,
      failed: retrying + exhausted,
      total: delivered + retrying + exhausted,
      retrying,
      exhausted,
      remaining: pending,
      due,
      duration_ms: now() - start,
    } satisfies DispatchSummary;
    log("info", "dispatched", summary);
    return json({ ...summary, ...(replayed && { replay: replayed }) });
  });
}

/** A replay of 10,000 ids has 400 KB. */
const MOST_BODY_BYTES = 1_000_000;

function replayIn(body: string): Replay | undefined {
  try {
    return readReplay(body);
  } catch (error) {
    throw badRequest(error as Error & { code: string });
  }
}

async function putBack(runtime: Runtime, replay: Replay): Promise<ReplaySummary> {
  const { endpoints, ...replayed } = await runtime.store().replay(replay).catch((error) => {
    throw error instanceof TimeError
      ? badRequest({ code: "invalid_field", message: `replay.from, replay.to: ${error.message}` })
      : error;
  });
  // Whoever replays believes that the receivers work again: their breakers are tried at once.
  for (const endpoint of endpoints) runtime.dispatcher.probe(endpoint);
  const summary = { ...replayed, dry_run: replay.dryRun };
  runtime.log("info", "replayed", summary);
  return summary;
}
