/**
 * What the log says of attempts: each failure as long as they are few, and figures for all.
 *
 * @module
 */

import type { Dispatcher } from "./core.ts";
import type { Log } from "./log.ts";

/** How many endpoints have a line of their own at the end of a run. */
const MOST_ENDPOINTS = 10;

/** Logs the failures since the last time. */
export function logFailed(journal: Pick<Dispatcher, "takeFailed">, log: Log): void {
  for (const attempt of journal.takeFailed()) log("warn", "attempt_failed", { ...attempt }, true);
}

/** Logs what endpoints got since the last time. */
export function logServed(journal: Pick<Dispatcher, "takeServed">, log: Log): void {
  for (const served of journal.takeServed(MOST_ENDPOINTS)) log("info", "endpoint_served", { ...served });
}

/** For whoever shows by itself what became of its attempts. */
export function forgetAttempts(journal: Pick<Dispatcher, "takeFailed" | "takeServed">): void {
  journal.takeFailed();
  journal.takeServed(0);
}
