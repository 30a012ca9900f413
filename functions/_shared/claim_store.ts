/**
 * Claiming what is due, shared out among the endpoints that may get something. A look at the whole queue costs as much as
 * there is in it; what it finds lasts for many claims, each of which costs as much as it takes.
 *
 * @module
 */

import type postgres from "postgres";
import type { Allowance, ClaimedRow } from "./core.ts";
import { type Known, Nearest } from "./nearest.ts";
import { claimedColumns, dueSince, payloadBytes, payloadText, type StoreSettings } from "./store_rules.ts";

/** `isCut`: there was more to take, but for its bytes. */
export type Claimed = ClaimedRow[] & { isCut?: boolean };

export interface Claims {
  /**
   * Takes up to `limit` due deliveries of the allowed endpoints, those first that have the least under way: counts
   * the attempt and starts the lease, in one statement.
   */
  take: (limit: number, allowances: readonly Allowance[]) => Promise<Claimed>;
  /** The next claim looks at the whole queue, if the last look was some time ago: there may be something new. */
  lookAgain: () => void;
}

/** How many due rows a look puts first, as many of each endpoint as of any other. */
const SEEN_AT_ONCE = 20_000;
/** What is new comes behind what is known; but an older one may have become due again. In milliseconds. */
const LOOK_LASTS_MS = 2_000;
/** And it lasts so many times as long as it took. */
const LOOK_LASTS_TIMES = 10;
/** After a longer look nothing is claimed: whoever wanted it may have given up, and would not see the rows. In milliseconds. */
const LONGEST_LOOK_MS = 7_000;
/** How much payload one claim takes, in bytes, about: it is in memory several times until it is sent. */
const MOST_CLAIMED_BYTES = 8 * 1_048_576;
/** How often a claim goes on with what comes next, where somebody else has taken what came first. */
const MOST_TURNS = 4;

export function createClaims(sql: postgres.Sql, settings: StoreSettings): Claims {
  const due = dueSince(sql, settings);
  const columns = claimedColumns(sql, payloadText(sql, settings));
  const nearest = new Nearest();
  let lastsUntil = -Infinity;

  /** Says whether there is time to claim. */
  const look = async (allowances: readonly Allowance[]): Promise<boolean> => {
    const start = performance.now();
    nearest.replace(
      await sql<Known[]>`
        with pending as materialized (
          -- By what is pending, however much history an endpoint has; and without payloads to sort.
          select d.id, d.webhook_config_id, d.created_at, ${due} as due_at, ${
        payloadBytes(sql, settings)
      } as bytes
          from public.webhook_deliveries d where d.status = 'pending'
        ), ranked as (
          select p.id, p.webhook_config_id, p.bytes,
            row_number() over (partition by p.webhook_config_id order by p.created_at, p.id) as place
          from pending p
          where p.due_at <= now()
            and p.webhook_config_id = any (${listOf(allowances.map(({ id }) => id))}::text::uuid[])
        ), nearest as (
          select r.* from ranked r order by r.place limit ${SEEN_AT_ONCE}
        )
        select n.webhook_config_id as endpoint_id, string_agg(n.id || ':' || n.bytes, ',' order by n.place) as ids
        from nearest n group by 1`,
    );
    const end = performance.now();
    lastsUntil = end + Math.max(LOOK_LASTS_MS, LOOK_LASTS_TIMES * (end - start));
    return end - start < LONGEST_LOOK_MS;
  };

  /** Claims those of these that are due still and that nobody else is just taking. */
  const claim = async (ids: string[], allowances: readonly Allowance[]): Promise<ClaimedRow[]> => {
    const probed = allowances.filter(({ quiet_ms }) => quiet_ms !== null);
    const rows = await sql<ClaimedRow[]>`
      with ${probed.length > 0 ? tried(sql, probed) : sql``} locked as materialized (
        select d.id, d.webhook_config_id,
          -- Which claim it is, and what is lost by it, for a row that goes back unsent. A new one has nothing to lose.
          case when d.attempts > 0 or d.last_attempt_at is not null or d.error_message is not null then
            jsonb_build_object('claimed_at', now(), 'last_attempt_at', d.last_attempt_at, 'response_status', d.response_status,
              'response_body', d.response_body, 'error_message', d.error_message)::text
          else (select jsonb_build_object('claimed_at', now())::text) end as before
        from public.webhook_deliveries d
        where d.id = any (${listOf(ids)}::text::uuid[]) and d.status = 'pending' and ${due} <= now()
          ${probed.length > 0 ? sql`and d.webhook_config_id not in (select t.id from tried t)` : sql``}
        for update of d skip locked
      )
      update public.webhook_deliveries c
      -- Whatever an admin has put there: one odd row must not stop the claim.
      set attempts = least(greatest(c.attempts, 0), 2147483646) + 1, last_attempt_at = now(),
          response_status = null, response_body = null, error_message = null
      from locked l left join public.webhook_configurations e on e.id = l.webhook_config_id
      where c.id = l.id
      returning ${columns}, l.before, e.is_active`;
    const places = new Map(ids.map((id, place) => [id, place]));
    return [...rows].sort((a, b) => places.get(a.id)! - places.get(b.id)!);
  };

  /** As much as is known; what somebody else has taken meanwhile is passed over. */
  const claimKnown = async (limit: number, allowances: readonly Allowance[]): Promise<Claimed> => {
    const rows: ClaimedRow[] = [];
    const left = allowances.map((one) => ({ ...one }));
    for (let turn = 0; rows.length < limit; turn++) {
      if (turn >= MOST_TURNS) {
        if (rows.length > 0) break;
        // Somebody is a step ahead all the way, or holds many: twice as many are passed over each time.
        nearest.skip(2 ** (turn - MOST_TURNS), left);
      }
      const ids = nearest.take(limit - rows.length, left, MOST_CLAIMED_BYTES);
      if (ids.length === 0) break;
      const claimed = await claim(ids, left).catch((error) => {
        if (rows.length === 0) throw error;
      });
      // Whoever asks again must not lose what is claimed already.
      if (!claimed) break;
      rows.push(...claimed);
      // Most often they are all there.
      if (claimed.length === ids.length) break;
      for (const one of left) {
        one.most -= claimed.filter(({ endpoint_id }) => endpoint_id === one.id).length;
        // Two dispatchers that want to probe want the same row, and one of them gets it.
        if (one.quiet_ms !== null) one.most = 0;
      }
    }
    return Object.assign(rows, { isCut: nearest.isCut });
  };

  return {
    take: async (limit, allowances) => {
      // A probe depends on all that the endpoint is owed.
      const isKnown = nearest.knows(allowances) && allowances.every(({ quiet_ms }) => quiet_ms === null);
      if (isKnown) {
        const rows = await claimKnown(limit, allowances);
        if (rows.length > 0) return rows;
      }
      return await look(allowances) ? await claimKnown(limit, allowances) : [];
    },
    lookAgain: () => {
      if (performance.now() > lastsUntil) nearest.replace([]);
    },
  };
}

/** The endpoints that have had an attempt meanwhile: a probe goes only where none was sent. */
function tried(sql: postgres.Sql, probed: readonly Allowance[]): postgres.PendingQuery<postgres.Row[]> {
  return sql`
    allowed as materialized (
      select a.* from jsonb_to_recordset(${
    JSON.stringify(probed)
  }::text::jsonb) as a(id uuid, quiet_ms float8)
    ), tried as materialized (
      select p.webhook_config_id as id
      from public.webhook_deliveries p join allowed a on a.id = p.webhook_config_id
      where p.status = 'pending' and p.attempts > 0 and p.last_attempt_at > now() - interval '1 ms' * a.quiet_ms
    ),`;
}

function listOf(ids: readonly string[]): string {
  return `{${ids.join(",")}}`;
}
