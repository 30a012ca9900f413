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
  /** Those that have waited longest come first. */
  readonly #idle: Connection[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** The one with one of these keys that was used last. */
  take(keys: string[]): Connection | undefined {
    const at = this.#idle.findLastIndex(({ key }) => keys.includes(key));
    const connection = at < 0 ? undefined : this.#idle.splice(at, 1)[0];
    connection?.wake();
    return connection;
  }

  put(connection: Connection): void {
    connection.rest(() => this.#drop(connection));
    this.#idle.push(connection);
    if (this.#idle.length > MOST_IDLE) this.#idle.shift()?.close();
    this.#timer ??= this.#sweepLater();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const connection of this.#idle.splice(0)) connection.close();
  }

  #drop(connection: Connection): void {
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  #sweepLater(): ReturnType<typeof setTimeout> {
    const timer = setTimeout(() => {
      const oldest = performance.now() - MOST_IDLE_MS;
      const kept = this.#idle.findIndex((connection) => connection.idleSince > oldest);
      for (const connection of this.#idle.splice(0, kept < 0 ? this.#idle.length : kept)) connection.close();
      this.#timer = this.#idle.length > 0 ? this.#sweepLater() : undefined;
    }, MOST_IDLE_MS);
    Deno.unrefTimer(timer);
    return timer;
  }
}
