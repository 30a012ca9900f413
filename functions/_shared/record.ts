/**
 * Writing results though the database is away for a while: what has been sent is not sent again for that.
 *
 * @module
 */

import type { RowUpdate } from "./core.ts";
import type { Log } from "./log.ts";
import { answerOf } from "./patience.ts";
import type { Store } from "./store.ts";

export interface Recorder {
  store: Pick<Store, "record">;
  log: Log;
  /** Milliseconds since 1970. */
  now: () => number;
  /** How long the rows belong to this dispatcher still, in milliseconds: beyond that, writing is of no use. */
  patienceMs: number;
  sleep?: (ms: number) => Promise<void>;
  /** No more waiting once it is aborted. */
  stop?: AbortSignal;
}

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

/**
 * Writes updates and returns the ids of the rows that were this dispatcher's. Tries again while the database cannot
 * be reached; an update that it refuses does not keep the others from being written.
 */
export async function record(recorder: Recorder, updates: RowUpdate[]): Promise<string[]> {
  const { store, log, now, stop, sleep = pause } = recorder;
  const end = now() + recorder.patienceMs;
  for (let waitMs = FIRST_PAUSE_MS;; waitMs = Math.min(2 * waitMs, LONGEST_PAUSE_MS)) {
    try {
      return await answerOf(store.record(updates));
    } catch (error) {
      if (isPassing(error)) {
        if (stop?.aborted || now() + waitMs > end) throw error;
        log("warn", "record_retried", { error: (error as Error).message, count: updates.length });
        await sleep(waitMs);
      } else {
        return await recordApart(recorder, updates, error as Error);
      }
    }
  }
}

async function recordApart(recorder: Recorder, updates: RowUpdate[], error: Error): Promise<string[]> {
  if (updates.length <= 1) {
    // The row waits for the end of its lease and is sent again: better twice than lost.
    recorder.log("error", "result_refused", { error: error.message, delivery_id: updates[0]?.id ?? null });
    return [];
  }
  const half = Math.ceil(updates.length / 2);
  const first = await record(recorder, updates.slice(0, half));
  return [...first, ...await record(recorder, updates.slice(half))];
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
