/**
 * Connections that wait for their next request.
 *
 * @module
 */

import type { Connection } from "./connection.ts";

/** Their number, over all receivers: each costs a socket. */
const MOST_IDLE = 100;

/** How long one may wait. Few receivers close earlier, and a request that crosses the closing fails. */
const MOST_IDLE_MS = 1_500;

export class Pool {
  /** Those that have waited longest come first, here and below. */
  readonly #idle = new Set<Connection>();
  readonly #byKey = new Map<string, Connection[]>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** One with one of these keys: of those with the first of them that has any, the one that was used last. */
  take(keys: readonly string[]): Connection | undefined {
    for (const key of keys) {
      const connection = this.#byKey.get(key)?.at(-1);
      if (!connection) continue;
      this.#remove(connection);
      connection.wake();
      return connection;
    }
  }

  put(connection: Connection): void {
    connection.rest(() => this.#remove(connection));
    this.#idle.add(connection);
    const same = this.#byKey.get(connection.key);
    if (same) same.push(connection);
    else this.#byKey.set(connection.key, [connection]);
    if (this.#idle.size > MOST_IDLE) this.#closeOldest();
    this.#timer ??= this.#sweepLater();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#idle.size > 0) this.#closeOldest();
  }

  #closeOldest(): void {
    for (const oldest of this.#idle) {
      this.#remove(oldest);
      return oldest.close();
    }
  }

  #remove(connection: Connection): void {
    if (!this.#idle.delete(connection)) return;
    const same = this.#byKey.get(connection.key) ?? [];
    // The last one most often.
    same.splice(same.lastIndexOf(connection), 1);
    if (same.length === 0) this.#byKey.delete(connection.key);
  }

  #sweepLater(): ReturnType<typeof setTimeout> {
    const timer = setTimeout(() => {
      const latest = performance.now() - MOST_IDLE_MS;
      for (const { idleSince } of this.#idle) {
        if (idleSince > latest) break;
        this.#closeOldest();
      }
      this.#timer = this.#idle.size > 0 ? this.#sweepLater() : undefined;
    }, MOST_IDLE_MS);
    Deno.unrefTimer(timer);
    return timer;
  }
}
