/**
 * The tables: all of the dispatcher's SQL. It connects as the database's owner, because service_role has no rights
 * on these tables in production. No statement is prepared, so that poolers in transaction mode work, too.
 *
 * @module
 */

import postgres from "postgres";
import { claimAlerts, raiseAlerts, type Raised } from "./alert_store.ts";
import { createClaims } from "./claim_store.ts";
import {
  type AlertScope,
  type ClaimedRow,
  type EndpointFacts,
  type EndpointFigures,
  goneReason,
  type HealthFacts,
  type RateWindow,
  type Replay,
  type RowUpdate,
  type Settings,
} from "./core.ts";
import { endpointFigures, healthFacts } from "./health_store.ts";
import {
  boundedText,
  claimedColumns,
  dueSince,
  failing,
  iso,
  msSince,
  pausedUntil,
  TEST_MARK,
} from "./store_rules.ts";
import { testStatements } from "./store_tests.ts";

export interface Remaining {
  /** All that is owed. */
  pending: number;
  /** What could be taken now. */
  due: number;
}

/** A date that is on no calendar. */
export class TimeError extends Error {
  override name = "TimeError";
}

export interface Closed {
  /** The discussions whose expiry was announced. */
  discussionIds: string[];
  /** Active endpoints that are subscribed to discussion.auto_closed. */
  subscribers: number;
}

/** What a replay found and did. */
export interface Replayed {
  /** Failed deliveries that meet the request and whose endpoint is switched on. */
  matched: number;
  /** Others, whose endpoint is switched off: they would fail again. */
  switched_off: number;
  /** How many were put back. */
  replayed: number;
  /** For whom. */
  endpoints: string[];
}

/** How many rows were written, by their status. */
export type Written = Record<RowUpdate["status"], number>;

export type Store = ReturnType<typeof createStore>;

type Sql = postgres.Sql;

/** Opens no connection until the first query. */
export function connect(databaseUrl: string): Sql {
  return postgres(databaseUrl, {
    max: 2,
    prepare: false,
    fetch_types: false,
    idle_timeout: 20,
    connect_timeout: 10,
    onnotice: () => {},
    connection: { application_name: "supabase-webhooks" },
  });
}

const DATETIME_FIELD_OVERFLOW = "22008";

export function createStore(sql: Sql, settings: Settings) {
  const due = dueSince(sql, settings);

  const columns = claimedColumns(sql, boundedText(sql, sql`c.text`, settings));

  const claims = createClaims(sql, settings);

  /** `recorded`: the rows that were, or had been, written by these updates, the JSON of an array. */
  const written = (updates: string) =>
    sql`
      u as materialized (
        select * from json_to_recordset(${updates}::text::json) as u(
          id uuid, attempt integer, status text, response_status integer, response_body text,
          error_message text)
      ), written as (
        update public.webhook_deliveries d
        set status = u.status, last_attempt_at = now(), response_status = u.response_status,
            response_body = u.response_body, error_message = u.error_message
        from u where d.id = u.id and d.attempts = u.attempt and d.status = 'pending'
          -- By the primary key, whatever the statistics say of how many are pending just now.
          and d.id = any (array(select v.id from u v))
        returning d.id, d.status
      ), recorded as (
        select w.id, w.status from written w
        union all
        select u.id, u.status from u
        cross join lateral (
          select d.attempts, d.status, d.error_message, d.response_status
          from public.webhook_deliveries d where d.id = u.id offset 0
        ) d
        where u.id not in (select w.id from written w)
          and d.attempts = u.attempt and d.status = u.status and d.status <> 'pending'
          and d.error_message is not distinct from u.error_message
          and d.response_status is not distinct from u.response_status
      )`;

  return {
    ...testStatements(sql, columns),

    /** How the endpoints fare that are owed something. */
    async endpoints(): Promise<EndpointFacts[]> {
      // What is asked for news wants new rows, too.
      claims.lookAgain();
      return await sql<EndpointFacts[]>`
        with pending as materialized (
          select d.webhook_config_id as id, d.attempts, d.error_message, ${due} as due_at,
            ${pausedUntil(sql)} as paused_until
          from public.webhook_deliveries d where d.status = 'pending'
        ), owed as (
          select id,
            count(*) filter (where due_at <= now()) as due,
            -- Beyond a week nothing is waited for, and infinity has no distance.
            min(due_at) filter (where due_at > now() and due_at < now() + interval '8 days') as next_due_at,
            count(*) filter (where attempts > 0 and error_message is null and due_at > now()) as under_way,
            max(paused_until) as paused_until
          from pending group by id
        ), ${failing(sql, settings)}
        select o.id, e.url, e.is_active, o.due::float8 as due, o.under_way::float8 as under_way,
          (extract(epoch from o.next_due_at - now()) * 1000)::float8 as next_due_in_ms,
          coalesce(f.failures, 0)::float8 as failures,
          coalesce(${msSince(sql, sql`f.last_failure_at`)}, 0) as last_failure_ago_ms,
          coalesce(greatest(0, extract(epoch from o.paused_until - now()) * 1000), 0)::float8 as paused_for_ms
        from owed o
        left join public.webhook_configurations e on e.id = o.id
        left join failing f on f.id = o.id`;
    },

    /** How many attempts each of these endpoints has had within its window, whoever made them. */
    async recentAttempts(windows: readonly RateWindow[]): Promise<{ id: string; recent: number }[]> {
      return await sql<{ id: string; recent: number }[]>`
        with w as materialized (
          select * from jsonb_to_recordset(${
        JSON.stringify(windows)
      }::text::jsonb) as w(id uuid, window_ms float8)
        )
        select w.id, count(d.id)::integer as recent
        from w left join public.webhook_deliveries d
          on d.webhook_config_id = w.id and d.created_at > now() - interval '3 days' and d.attempts > 0
            and d.last_attempt_at > now() - interval '1 ms' * w.window_ms
        group by w.id`;
    },

    claim: claims.take,

    /**
     * Writes what became of claimed rows; returns the ids of those that were still this dispatcher's to write. A
     * write whose answer was lost may be repeated: what it has written already is returned, too.
     */
    async record(updates: readonly RowUpdate[]): Promise<string[]> {
      const rows = await sql<{ id: string }[]>`
        with ${written(JSON.stringify(updates))} select id from recorded`;
      return rows.map(({ id }) => id);
    },

    /** As `record`, with the updates as the JSON of an array; counts them by their status. */
    async write(updates: string): Promise<Written> {
      const counts = { pending: 0, delivered: 0, failed: 0 };
      const rows = await sql<{ status: RowUpdate["status"]; count: number }[]>`
        with ${written(updates)} select status, count(*)::integer as count from recorded group by status`;
      for (const { status, count } of rows) counts[status] = count;
      return counts;
    },

    /**
     * Puts claimed rows back as they were before, as `Dispatcher.giveBack` gives them. The attempt was none. May be repeated: the
     * attempt of whoever has claimed one since has the same number, and another time.
     */
    async giveBack(rows: string): Promise<void> {
      await sql`
        update public.webhook_deliveries d
        set attempts = u.attempt - 1,
            last_attempt_at = (u.before::jsonb ->> 'last_attempt_at')::timestamptz,
            response_status = (u.before::jsonb ->> 'response_status')::integer,
            response_body = u.before::jsonb ->> 'response_body',
            error_message = u.before::jsonb ->> 'error_message'
        from jsonb_to_recordset(${rows}::text::jsonb) as u(id uuid, attempt integer, before text)
        where d.id = u.id and d.attempts = u.attempt and d.status = 'pending' and d.error_message is null
          and d.last_attempt_at = (u.before::jsonb ->> 'claimed_at')::timestamptz`;
    },

    /**
     * Switches endpoints off that have answered 410 and ends what they are owed, but for what is under way. Only
     * where the URL is still the one that has answered. Returns their ids.
     */
    async retire(endpoints: readonly { id: string; url: string }[]): Promise<string[]> {
      const rows = await sql<{ id: string }[]>`
        with gone as (
          update public.webhook_configurations e set is_active = false, updated_at = now()
          from jsonb_to_recordset(${JSON.stringify(endpoints)}::text::jsonb) as g(id uuid, url text)
          where e.id = g.id and e.url = g.url and e.is_active
          returning e.id
        ), ended as (
          update public.webhook_deliveries d
          set status = 'failed', error_message = ${goneReason()}
          from gone where d.webhook_config_id = gone.id and d.status = 'pending'
            and (d.attempts <= 0 or d.error_message is not null)
        )
        select id from gone`;
      return rows.map((row) => row.id);
    },

    /** Puts failed deliveries back, the oldest first; in a dry run it only counts them. */
    async replay(replay: Replay): Promise<Replayed> {
      const { ids, endpointId, eventType, from, to, limit, dryRun } = replay;
      const [row] = await sql<Replayed[]>`
        with matching as materialized (
          select d.id, d.created_at, e.is_active
          from public.webhook_deliveries d
          join public.webhook_configurations e on e.id = d.webhook_config_id
          where d.status = 'failed'
            ${ids ? sql`and d.id = any (${`{${ids.join(",")}}`}::text::uuid[])` : sql``}
            ${endpointId ? sql`and d.webhook_config_id = ${endpointId}::uuid` : sql``}
            ${eventType === null ? sql`` : sql`and d.event_type = ${eventType}`}
            ${from ? sql`and d.created_at >= ${from}::text::timestamptz` : sql``}
            ${to ? sql`and d.created_at < ${to}::text::timestamptz` : sql``}
        ), chosen as (
          select d.id from matching m join public.webhook_deliveries d on d.id = m.id
          where m.is_active and d.status = 'failed' and not ${dryRun}::boolean
          order by m.created_at
          limit ${limit}
          for update of d skip locked
        ), put_back as (
          -- The reason stays until the next attempt.
          update public.webhook_deliveries d set status = 'pending', attempts = 0, last_attempt_at = now()
          from chosen where d.id = chosen.id
          returning d.webhook_config_id
        )
        select (count(*) filter (where is_active))::integer as matched,
          (count(*) filter (where not is_active))::integer as switched_off,
          (select count(*)::integer from put_back) as replayed,
          (select coalesce(jsonb_agg(distinct p.webhook_config_id), '[]') from put_back p) as endpoints
        from matching`.catch((error) => {
        throw error.code === DATETIME_FIELD_OVERFLOW ? new TimeError(error.message) : error;
      });
      return row ?? { matched: 0, switched_off: 0, replayed: 0, endpoints: [] };
    },

    async remaining(): Promise<Remaining> {
      const [row] = await sql<Remaining[]>`
        select count(*)::integer as pending, (count(*) filter (where ${due} <= now()))::integer as due
        from public.webhook_deliveries d where d.status = 'pending'`;
      return row ?? { pending: 0, due: 0 };
    },

    /**
     * Emits discussion.auto_closed once for each expiry within `lookbackMs`. An expiry is a discussion and its
     * `expires_at`, and the event names both: what has been announced is in the deliveries themselves.
     */
    async closeExpired(lookbackMs: number, limit: number): Promise<Closed> {
      const closedAt = iso(sql, sql`d.expires_at`);
      const earliest = sql`now() - interval '1 ms' * ${lookbackMs}::float8`;
      // In read committed, whatever the database's default, each statement sees what has been committed before it.
      return await sql.begin("isolation level read committed", async (tx) => {
        // Runs that overlap take turns.
        await tx`select pg_advisory_xact_lock(hashtextextended('close-expired-discussions', 0))`;
        const [count] = await tx<{ subscribers: number }[]>`
          select count(*)::integer as subscribers from public.webhook_configurations
          where is_active and 'discussion.auto_closed' = any (events)`;
        const subscribers = count?.subscribers ?? 0;
        if (subscribers === 0) return { discussionIds: [], subscribers };
        // Locked rows are being extended just now: the next run looks at them again.
        const rows = await tx<{ id: string }[]>`
          with announced as (
            select a.payload -> 'data' ->> 'discussion_id' as id, a.payload -> 'data' ->> 'closed_at' as closed_at
            from public.webhook_deliveries a
            where a.event_type = 'discussion.auto_closed' and a.created_at > ${earliest}
              and not a.payload @> ${TEST_MARK}::text::jsonb
          ), expired as (
            select d.id, ${closedAt} as closed_at from public.discussions d
            where d.expires_at <= now() and d.expires_at > ${earliest}
              and not exists (
                select from announced a where a.id = d.id::text and a.closed_at = ${closedAt})
            order by d.expires_at
            limit ${limit}
            for share of d skip locked
          )
          select id::text as id, public.dispatch_webhook(
            'discussion.auto_closed', jsonb_build_object('discussion_id', id, 'closed_at', closed_at))
          from expired`;
        return { discussionIds: rows.map((row) => row.id), subscribers };
      });
    },

    endpointFigures: async (): Promise<EndpointFigures[]> => await endpointFigures(sql, settings),

    healthFacts: async (): Promise<HealthFacts> => await healthFacts(sql, settings),

    raiseAlerts: async (scope: AlertScope): Promise<Raised> => await raiseAlerts(sql, settings, scope),

    claimAlerts: async (limit: number): Promise<ClaimedRow[]> => await claimAlerts(sql, settings, limit),
  };
}
