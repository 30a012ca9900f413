/**
 * Claiming: what is due, shared out among the endpoints that may get something, in one statement.
 *
 * @module
 */

import type postgres from "postgres";
import type { Allowance, ClaimedRow } from "./core.ts";
import { type DueIds, Nearest, SPARE } from "./nearest.ts";
import { claimedColumns, dueSince, type StoreSettings } from "./store_rules.ts";

export interface Claims {
  /**
   * Takes up to `limit` due deliveries of the allowed endpoints, those first that have the least under way: counts
   * the attempt and starts the lease, in one statement.
   */
  take: (limit: number, allowances: readonly Allowance[]) => Promise<ClaimedRow[]>;
  /** The next claim looks at the whole queue, if the last look was some time ago: there may be something new. */
  lookAgain: () => void;
}

/** A claimed row; after a look at all that is pending one of them has the ids of what comes next. */
type Taken = ClaimedRow & { nearest: DueIds | null };

/**
 * How many due rows a look at the whole queue puts first, as many of each endpoint as of any other. It costs as much as there
 * is in the queue, so that it should last for long.
 */
const CLAIM_WINDOW = 20_000;
/** What is new comes behind what is known; but an older one may have become due again. In milliseconds. */
const LOOK_LASTS_MS = 2_000;
/** How much payload one claim takes, in bytes as they are stored, which may be compressed. */
const MOST_CLAIMED_BYTES = 8 * 1_048_576;

export function createClaims(sql: postgres.Sql, settings: StoreSettings): Claims {
  const due = dueSince(sql, settings);
  const columns = claimedColumns(sql, settings);
  const nearest = new Nearest();

  const tried = sql`
    tried as materialized (
      -- A probe goes only where none was sent meanwhile.
      select p.webhook_config_id as id from pending p join allowed a on a.id = p.webhook_config_id
      where p.attempts > 0 and p.last_attempt_at > now() - interval '1 ms' * a.quiet_ms
    ),`;

  /** `among`: ids to choose from; null for all that is pending, and then what it has put first comes, too. */
  const take = async (limit: number, allowances: readonly Allowance[], among: string[] | null) => {
    const isProbing = allowances.some(({ quiet_ms }) => quiet_ms !== null);
    const taken = await sql<Taken[]>`
      with allowed as materialized (
        select a.* from jsonb_to_recordset(${JSON.stringify(allowances)}::text::jsonb)
          as a(id uuid, most integer, batch integer, under_way integer, quiet_ms float8)
      ), pending as materialized (
        select d.id, d.created_at, d.webhook_config_id, d.attempts, d.last_attempt_at, ${due} as due_at,
          pg_column_size(d.payload) as bytes
        from public.webhook_deliveries d
        where d.status = 'pending' ${
      among ? sql`and d.id = any (${`{${among.join(",")}}`}::text::uuid[])` : sql``
    }
      ), ${isProbing ? tried : sql``} ranked as (
        select p.id, p.webhook_config_id, p.created_at, p.bytes, a.most, a.batch, a.under_way, a.quiet_ms is not null as is_probe,
          row_number() over (partition by p.webhook_config_id order by p.created_at, p.id) as place
        from pending p join allowed a on a.id = p.webhook_config_id
        where p.due_at <= now() ${isProbing ? sql`and a.id not in (select t.id from tried t)` : sql``}
      ), nearest as (
        -- Those that travel in one request count as one.
        select r.*, (r.place + r.batch - 1) / r.batch as request from ranked r
        order by request, r.created_at limit ${CLAIM_WINDOW}
      ), fair as (
        select r.*, r.place > r.most as is_spare, r.request + r.under_way as rank,
          sum(r.bytes) over (order by r.place > r.most, r.request + r.under_way, r.created_at, r.id) - r.bytes
            as bytes_before
        from nearest r
        -- Two dispatchers that want to probe want the same row, and one of them gets it.
        where r.place <= r.most + case when r.is_probe then 0 else ${SPARE} end
      ), locked as materialized (
        select d.id, d.webhook_config_id, f.most, f.place,
          -- What is lost by the claim, for a row that goes back unsent. A new one has nothing to lose.
          case when d.attempts > 0 or d.last_attempt_at is not null or d.error_message is not null
            then ${before(sql)} end as before
        from fair f join public.webhook_deliveries d on d.id = f.id
        -- Again: somebody else may have taken it since.
        where d.status = 'pending' and ${due} <= now() and f.bytes_before < ${MOST_CLAIMED_BYTES}
        -- Spare rows stand in for those that another claim is just taking.
        order by f.is_spare, f.rank, f.created_at
        limit least(${limit}, (select sum(a.most) from allowed a))
        for update of d skip locked
      ), due as (
        select l.id, l.before
        from (
          select k.*, row_number() over (partition by k.webhook_config_id order by k.place) as n from locked k
        ) l
        where l.n <= l.most
      ), taken as (
        update public.webhook_deliveries d
        -- Whatever an admin has put there: one odd row must not stop the claim.
        set attempts = least(greatest(d.attempts, 0), 2147483646) + 1, last_attempt_at = now(),
            response_status = null, response_body = null, error_message = null
        from due where d.id = due.id
        returning d.*, due.before
      ), c as materialized (
        select t.*, t.payload::text as text from taken t
      )
      select ${columns}, c.before, e.is_active,
        case when ${among === null} and row_number() over (order by c.created_at) = 1 then (
          select json_object_agg(o.endpoint, o.ids) from (
            select n.webhook_config_id as endpoint, string_agg(n.id::text, ',' order by n.place) as ids
            from nearest n where n.id not in (select t.id from taken t) group by 1
          ) o) end as nearest
      from c left join public.webhook_configurations e on e.id = c.webhook_config_id
      order by c.created_at`;
    return { rows: taken as ClaimedRow[], ids: taken.find((row) => row.nearest !== null)?.nearest ?? null };
  };

  let lookedAt = -Infinity;

  const look = async (limit: number, allowances: readonly Allowance[]) => {
    lookedAt = performance.now();
    const { rows, ids } = await take(limit, allowances, null);
    nearest.replace(ids);
    return rows;
  };

  return {
    take: async (limit, allowances) => {
      const among = nearest.among(limit, allowances);
      if (!among) return await look(limit, allowances);
      const { rows } = await take(limit, allowances, among);
      if (rows.length === 0) return await look(limit, allowances);
      nearest.remove(rows);
      // Somebody else is taking them.
      const allowed = allowances.reduce((sum, { most }) => sum + most, 0);
      if (rows.length < Math.min(limit, allowed)) nearest.replace(null);
      return rows;
    },
    lookAgain: () => {
      if (performance.now() - lookedAt > LOOK_LASTS_MS) nearest.replace(null);
    },
  };
}

/** What a claim overwrites in a row `d`. */
function before(sql: postgres.Sql): postgres.PendingQuery<postgres.Row[]> {
  return sql`jsonb_build_object('last_attempt_at', d.last_attempt_at, 'response_status', d.response_status,
    'response_body', d.response_body, 'error_message', d.error_message)::text`;
}
