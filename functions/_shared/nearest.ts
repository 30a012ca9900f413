/**
 * The due deliveries that a look at the whole queue has put first, so that the next claims need not look at all of it.
 *
 * It is a hint: each claim judges anew what it takes. Where it does not suffice, the whole queue is looked at.
 *
 * @module
 */

import type { Allowance, ClaimedRow } from "./core.ts";

/** Ids of due deliveries by endpoint, those first that are to be taken first. */
export type DueIds = Record<string, string[]>;

/** How many more than may be taken are offered of each endpoint: others may be taking the first ones just now. */
const SPARE = 10;

export class Nearest {
  #ids = new Map<string, string[]>();

  replace(ids: DueIds | null): void {
    this.#ids = new Map(Object.entries(ids ?? {}));
  }

  /**
   * The ids to choose `limit` from; null where the whole queue is to be looked at: an endpoint may get something and
   * none of its is known, or it is to be probed, which depends on all that it is owed.
   */
  among(limit: number, allowances: readonly Allowance[]): string[] | null {
    const offered: string[] = [];
    for (const { id, most, quiet_ms } of allowances) {
      const ids = this.#ids.get(id);
      if (quiet_ms !== null || ids === undefined || ids.length === 0) return null;
      offered.push(...ids.slice(0, Math.min(most, limit) + SPARE));
    }
    return offered;
  }

  /** What was taken is not offered again. */
  remove(rows: readonly Pick<ClaimedRow, "id" | "endpoint_id">[]): void {
    const taken = new Set(rows.map(({ id }) => id));
    for (const endpoint of new Set(rows.map(({ endpoint_id }) => endpoint_id))) {
      const left = this.#ids.get(endpoint)?.filter((id) => !taken.has(id));
      if (left) this.#ids.set(endpoint, left);
    }
  }
}
