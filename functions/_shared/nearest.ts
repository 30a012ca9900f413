/**
 * The due deliveries that a look at the whole queue has put first, so that the claims after it need not look at all of it.
 *
 * It is a hint: each claim judges anew what it takes.
 *
 * @module
 */

import type { Allowance } from "./core.ts";

/** What is known of an endpoint's due deliveries, those first that are to be taken first. */
export interface Known {
  endpoint_id: string;
  /** Each with a colon and its payload's bytes, as they are stored; commas between any two. */
  ids: string;
}

export class Nearest {
  /** What was taken last could have been more, but for its bytes. */
  isCut = false;
  #queues = new Map<string, Queue>();

  replace(known: readonly Known[]): void {
    this.#queues = new Map(known.map(({ endpoint_id, ids }) => [endpoint_id, new Queue(ids.split(","))]));
  }

  /** Whether something is known of all of these. */
  knows(allowances: readonly Allowance[]): boolean {
    return allowances.every(({ id }) => (this.#queues.get(id)?.length ?? 0) > 0);
  }

  /** Drops so many times as much as each of these may have, but for what comes last. */
  skip(times: number, allowances: readonly Allowance[]): void {
    for (const { id, most } of allowances) {
      const queue = this.#queues.get(id);
      if (queue) queue.drop(Math.max(0, Math.min(times * most, queue.length - most)));
    }
  }

  /**
   * Takes out what comes next, `limit` at most, and `mostBytes` unless it is only one: an endpoint with fewer requests under
   * way comes first.
   */
  take(limit: number, allowances: readonly Allowance[], mostBytes: number): string[] {
    const turns = allowances.flatMap(({ id, most, batch, under_way }) => {
      const queue = this.#queues.get(id);
      return queue ? [{ queue, left: Math.min(most, queue.length), batch, level: under_way }] : [];
    });
    const taken: string[] = [];
    let bytes = 0;
    this.isCut = false;
    for (let level = least(turns); level < Infinity; level = least(turns)) {
      for (const turn of turns) {
        if (turn.left === 0 || turn.level > level) continue;
        turn.level++;
        for (let n = Math.min(turn.batch, turn.left); n > 0; n--) {
          const next = turn.queue.next();
          if (taken.length >= limit) return taken;
          if (taken.length > 0 && bytes + next.bytes > mostBytes) {
            this.isCut = true;
            return taken;
          }
          bytes += next.bytes;
          taken.push(next.id);
          turn.queue.drop();
          turn.left--;
        }
      }
    }
    return taken;
  }
}

function least(turns: { left: number; level: number }[]): number {
  return turns.reduce((least, { left, level }) => left > 0 && level < least ? level : least, Infinity);
}

class Queue {
  readonly #entries: string[];
  #at = 0;

  constructor(entries: string[]) {
    this.#entries = entries;
  }

  get length(): number {
    return this.#entries.length - this.#at;
  }

  next(): { id: string; bytes: number } {
    const [id = "", bytes] = (this.#entries[this.#at] ?? "").split(":");
    return { id, bytes: Number(bytes) };
  }

  drop(count = 1): void {
    this.#at += count;
  }
}
