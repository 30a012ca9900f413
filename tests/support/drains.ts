/**
 * The delivery loop with a table in memory.
 *
 * @module
 */

import { createBatchCarry } from "../../functions/_shared/carry.ts";
import type {
  Allowance,
  ClaimedRow,
  Dispatcher,
  EndpointFacts,
  RowUpdate,
} from "../../functions/_shared/core.ts";
import type { Drained, DrainOptions } from "../../functions/_shared/drain.ts";
import type { Send, Sent } from "../../functions/_shared/send.ts";
import { testDispatcher } from "./settings.ts";

export function row(n: number, columns: Partial<ClaimedRow> = {}): ClaimedRow {
  return {
    id: String(n),
    event_type: "order.paid",
    payload: "{}",
    attempt: 1,
    created_at: "",
    endpoint_id: "e",
    url: "https://a.example/",
    secret_key: null,
    is_active: true,
    ...columns,
  };
}

export function rows(count: number, columns: Partial<ClaimedRow> = {}): ClaimedRow[] {
  return Array.from({ length: count }, (_, n) => row(n, columns));
}

export function answered(status: number): Sent {
  return {
    ends: [{ answered: { status, location: null, retryAfter: null, body: "" } }],
    request: null,
    headers: {},
    durationMs: 0,
  };
}

export const ids = (written: readonly { id: string }[]) => written.map(({ id }) => id);

/** A table in memory. What is written is gone from it. */
export function memory(queue: ClaimedRow[]) {
  const written: RowUpdate[] = [];
  const givenBack: { id: string; attempt: number }[] = [];
  const claims: { limit: number; allowances: readonly Allowance[] }[] = [];
  const store: DrainOptions["store"] = {
    endpoints: () => {
      const due = new Map<string, EndpointFacts>();
      for (const { endpoint_id: id, url, is_active } of queue) {
        const known = due.get(id) ?? {
          id,
          url,
          is_active,
          due: 0,
          next_due_in_ms: null,
          under_way: 0,
          failures: 0,
          last_failure_ago_ms: 0,
          paused_for_ms: 0,
        };
        due.set(id, { ...known, due: known.due + 1 });
      }
      return Promise.resolve([...due.values()]);
    },
    recentAttempts: () => Promise.resolve([]),
    claim: (limit, allowances) => {
      claims.push({ limit, allowances });
      const left = new Map(allowances.map(({ id, most }) => [id, most]));
      const taken = queue.filter(({ endpoint_id }) => {
        const most = left.get(endpoint_id) ?? 0;
        left.set(endpoint_id, most - 1);
        return most > 0;
      }).slice(0, limit);
      for (const one of taken) queue.splice(queue.indexOf(one), 1);
      return Promise.resolve(taken);
    },
    write: (updates) => {
      const all: RowUpdate[] = JSON.parse(updates);
      written.push(...all);
      return Promise.resolve(counted(all));
    },
    giveBack: (rows) => {
      givenBack.push(...JSON.parse(rows));
      return Promise.resolve();
    },
    retire: () => Promise.resolve([]),
  };
  return { store, written, claims, queue, givenBack };
}

export type Options = Partial<Omit<DrainOptions, "dispatcher">> & { dispatcher?: Dispatcher; send?: Send };

/** Everything succeeds, but for what `options` say. */
export function options(store: DrainOptions["store"], options: Options = {}): DrainOptions {
  const {
    dispatcher = testDispatcher({ maxAttempts: 3, concurrency: 4, endpointConcurrency: 4 }),
    send = () => Promise.resolve(answered(200)),
    now = Date.now,
    ...more
  } = options;
  return {
    store,
    dispatcher,
    carry: createBatchCarry({ dispatcher, send, now }),
    now,
    log: () => {},
    concurrency: 4,
    timeBudgetMs: 10_000,
    retryWaitMs: 0,
    patienceMs: 1_000,
    sleep: () => Promise.resolve(),
    ...more,
  };
}

export function counted(
  updates: readonly RowUpdate[],
): { pending: number; delivered: number; failed: number } {
  const counts = { pending: 0, delivered: 0, failed: 0 };
  for (const { status } of updates) counts[status]++;
  return counts;
}

export const delivered = (count: number): Drained => ({
  delivered: count,
  retrying: 0,
  exhausted: 0,
  superseded: 0,
});
