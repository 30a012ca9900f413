/**
 * Runs one after another, for callers that come seldom: GitHub's shortest interval is five minutes.
 *
 * @module
 */

import { json } from "../_shared/respond.ts";
import type { Runtime } from "../_shared/runtime.ts";
import type { Dispatch } from "./dispatch.ts";

/** How long one run goes on: at its end alerts are looked at, and its spans are exported. In milliseconds. */
const RUN_MS = 30_000;
/** What is left for the last run's requests and rows when the time is over, in milliseconds. */
const LEAST_RUN_MS = 100;

/** Looks for due deliveries for so long. Never rejects: nobody waits for it. `request` is the one that asked for it. */
export async function linger(
  runtime: Runtime,
  dispatch: Dispatch,
  request: Request,
  lingerMs: number,
): Promise<void> {
  const { log, now, stop, settings: { lingerPollMs: pollMs } } = runtime;
  const end = now() + lingerMs;
  const left = () => end - now();
  const runs = runtime.traced((run) => async () => {
    const timeBudgetMs = Math.min(RUN_MS, left());
    return json(await dispatch(run, { timeBudgetMs, pollMs }));
  });
  while (left() > LEAST_RUN_MS && !stop.aborted) {
    try {
      await runs(new Request(request.url, { method: "POST", headers: traceOf(request) }));
    } catch (error) {
      // The next caller tries again; a database that is away was waited for already.
      log("error", "linger_ended", { error: (error as Error).message });
      return;
    }
  }
  log("info", "lingered", { linger_s: lingerMs / 1_000 });
}

function traceOf(request: Request): Record<string, string> {
  const traceparent = request.headers.get("traceparent");
  return traceparent === null ? {} : { traceparent };
}
