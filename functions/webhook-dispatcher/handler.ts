/**
 * `POST /functions/v1/webhook-dispatcher`: delivers what is due and says what it did.
 *
 * @module
 */

import { drain } from "../_shared/drain.ts";
import { guarded, type Handler, json, unauthorized } from "../_shared/respond.ts";
import type { Runtime } from "../_shared/runtime.ts";

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
}

export function createHandler(runtime: Runtime): Handler {
  const { settings, log, dispatcher, send, now } = runtime;
  return guarded(["POST"], log, async (request) => {
    if (!runtime.isAuthorized(request)) throw unauthorized();
    await request.body?.cancel();
    const start = now();
    const store = runtime.store();
    const { concurrency, timeBudgetMs } = settings;
    const drained = await drain({ store, dispatcher, send, now, log, concurrency, timeBudgetMs })
      .finally(runtime.closeConnections);
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
    return json(summary);
  });
}
