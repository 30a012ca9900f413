/**
 * `POST /functions/v1/close-expired-discussions`: announces the discussions that have expired.
 *
 * @module
 */

import { guarded, type Handler, json, unauthorized } from "../_shared/respond.ts";
import type { Runtime } from "../_shared/runtime.ts";

/** How many one call announces; the next one goes on. */
const MOST_A_CALL = 1_000;

export interface CloseSummary {
  /** How many expiries were announced. */
  closed: number;
  /** Their discussions. */
  discussion_ids: string[];
  /** Active endpoints that are subscribed; without one there is nothing to announce. */
  subscribers: number;
  /** Whether there may be more: call again. */
  more: boolean;
}

export function createHandler(runtime: Runtime): Handler {
  return runtime.traced(() => handlerOf(runtime));
}

function handlerOf(runtime: Runtime): Handler {
  const { settings, log } = runtime;
  return guarded(["POST"], log, async (request) => {
    if (!runtime.isAuthorized(request)) throw unauthorized();
    await request.body?.cancel();
    const { discussionIds, subscribers } = await runtime.store().closeExpired(
      settings.closeLookbackMs,
      MOST_A_CALL,
    );
    const closed = discussionIds.length;
    log("info", "discussions_closed", { closed, subscribers });
    return json(
      {
        closed,
        discussion_ids: discussionIds,
        subscribers,
        more: closed === MOST_A_CALL,
      } satisfies CloseSummary,
    );
  });
}
