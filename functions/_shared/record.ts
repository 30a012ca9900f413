/**
 * Talking to a database that may be away for a while: what has been sent is not sent again for that.
 *
 * @module
 */

import type { RowUpdate } from "./core.ts";
import type { Log } from "./log.ts";
import { answerOf } from "./patience.ts";
import type { Store, Written } from "./store.ts";

export interface Patience {
  log: Log;
  /** Milliseconds since 1970. */
  now: () => number;
  /** For how long to try again, in milliseconds. */
  patienceMs: number;
  sleep?: (ms: number) => Promise<void>;
  /** No more waiting once it is aborted. */
  stop?: AbortSignal;
}

/** `patienceMs`: how long the rows belong to this dispatcher still. Beyond that, writing is of no use. */
export interface Recorder extends Patience {
  store: Pick<Store, "write">;
}

/** Updates as a JSON array, and how many they are. */
export interface Updates {
  updates: string;
  count: number;
}

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

/** Repeats a query while the database cannot be reached. It must do no harm twice: an answer may have been lost. */
export async function persist<T>(patience: Patience, query: () => Promise<T>): Promise<T> {
  const { log, now, stop, sleep = pause } = patience;
  const end = now() + patience.patienceMs;
  for (let waitMs = FIRST_PAUSE_MS;; waitMs = Math.min(2 * waitMs, LONGEST_PAUSE_MS)) {
    try {
      return await answerOf(query());
    } catch (error) {
      if (!isPassing(error) || stop?.aborted || now() + waitMs > end) throw error;
      log("warn", "database_retried", { error: (error as Error).message });
      await sleep(waitMs);
    }
  }
}

/**
 * Writes updates; counts the rows that were this dispatcher's by their status. An update that the database refuses does
 * not keep the others from being written.
 */
export async function record(recorder: Recorder, { updates, count }: Updates): Promise<Written> {
  try {
    return await persist(recorder, () => recorder.store.write(updates));
  } catch (error) {
    if (isPassing(error)) throw error;
    const all: RowUpdate[] = JSON.parse(updates);
    if (count > 1) {
      const half = Math.ceil(count / 2);
      const first = await record(recorder, updatesOf(all.slice(0, half)));
      const rest = await record(recorder, updatesOf(all.slice(half)));
      return {
        pending: first.pending + rest.pending,
        delivered: first.delivered + rest.delivered,
        failed: first.failed + rest.failed,
      };
    }
    // The row waits for the end of its lease and is sent again: better twice than lost.
    const fields = { error: (error as Error).message, delivery_id: all[0]?.id ?? null };
    recorder.log("error", "result_refused", fields);
    return { pending: 0, delivered: 0, failed: 0 };
  }
}

function updatesOf(updates: RowUpdate[]): Updates {
  return { updates: JSON.stringify(updates), count: updates.length };
}

/**
 * Everything but what speaks of the data (SQLSTATE class 22 and 23), of rights and of the statement (42): lost
 * connections, a server that starts or stops, no room, deadlocks.
 */
function isPassing(error: unknown): boolean {
  const { code = "" } = error as { code?: unknown };
  return !/^(22|23|42)[0-9A-Z]{3}$/.test(String(code));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
