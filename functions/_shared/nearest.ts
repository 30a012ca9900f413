/**
 * The due deliveries that a look at the whole queue has put first, so that the next claims need not look at all of it.
 *
 * It is a hint: each claim judges anew what it takes. Where it does not suffice, the whole queue is looked at.
 *
 * @module
 */

import type { Allowance, ClaimedRow } from "./core.ts";

/** Ids of due deliveries by endpoint, with commas between any two, those first that are to be taken first. */
export type DueIds = Record<string, string>;

/** How many more than may be taken are offered of each endpoint: others may be taking the first ones just now. */
export const SPARE = 10;

export class Nearest {
  #ids = new Map<string, string[]>();

  replace(ids: DueIds | null): void {
    this.#ids = new Map(Object.entries(ids ?? {}).map(([endpoint, list]) => [endpoint, list.split(",")]));
  }

  /**
   * The ids to choose `limit` from; null where the whole queue is to be looked at: too few are known, an endpoint may get
   * something and none of its is known, or it is to be probed, which depends on all that it is owed.
   */
  among(limit: number, allowances: readonly Allowance[]): string[] | null {
    const lists: { ids: string[]; most: number }[] = [];
    for (const { id, most, quiet_ms } of allowances) {
      const ids = this.#ids.get(id);
      if (quiet_ms !== null || ids === undefined || ids.length === 0) return null;
      lists.push({ ids, most: Math.min(most, limit) });
    }
    const allowed = lists.reduce((sum, { most }) => sum + most, 0);
    const wanted = Math.min(limit, allowed);
    const known = (each: number) =>
      lists.reduce((sum, { ids, most }) => sum + Math.min(ids.length, most, each), 0);
    if (known(limit) < wanted) return null;
    // As many of each as suffice together.
    let each = Math.ceil(wanted / lists.length);
    while (known(each) < wanted) each *= 2;
    return lists.flatMap(({ ids, most }) => ids.slice(0, Math.min(most, each) + SPARE));
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
