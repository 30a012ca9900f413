/**
 * The tables: all of the dispatcher's SQL. It connects as the database's owner, because service_role has no rights
 * on these tables in production. No statement is prepared, so that poolers in transaction mode work, too.
 *
 * @module
 */

import postgres from "postgres";
import type { ClaimedRow, HealthFacts, RowUpdate } from "./core.ts";

/** When a pending row may be taken: see ARCHITECTURE.md, "The claim". */
export interface DueRule {
  /** How long an attempt without an outcome keeps its row, in milliseconds. */
  leaseMs: number;
  /** The delays after attempts 1, 2, 3 … in milliseconds; the last one stands for all that follow. */
  retryDelaysMs: readonly number[];
}

export interface Remaining {
  /** All that is owed. */
  pending: number;
  /** What could be taken now. */
  due: number;
}

export interface TestTarget {
  /** One endpoint by its id, switched off or not; without it all active ones that are subscribed to the event. */
  endpointId?: string;
  eventType: string;
  /** JSON text. */
  payload: string;
}

/** PostgreSQL cannot store a payload: a NUL, half a surrogate pair, a number beyond its range, too deep nesting. */
export class PayloadError extends Error {
  override name = "PayloadError";
}

export interface Closed {
  /** The discussions whose expiry was announced. */
  discussionIds: string[];
  /** Active endpoints that are subscribed to discussion.auto_closed. */
  subscribers: number;
}

/** What an envelope of the test tool holds. Tests count for nothing. */
const TEST_MARK = '{"test": true}';

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

/** SQLSTATE untranslatable_character, invalid_text_representation, numeric_value_out_of_range, statement_too_complex. */
const UNSTORABLE = ["22P05", "22P02", "22003", "54001"];

export function createStore(sql: Sql, due: DueRule) {
  const delays = `{${due.retryDelaysMs.join(",")}}`;

  /** Since when a pending row `d` has been due; in the future for one that is not. */
  const dueSince = sql`
    case
      when d.attempts <= 0 or d.last_attempt_at is null then greatest(d.created_at, d.last_attempt_at)
      when d.error_message is null then d.last_attempt_at + interval '1 ms' * ${due.leaseMs}::float8
      else d.last_attempt_at + interval '1 ms' *
        (${delays}::text::float8[])[least(d.attempts, cardinality(${delays}::text::float8[]))]
    end`;

  const iso = (column: postgres.PendingQuery<postgres.Row[]>) =>
    sql`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

  const claimedColumns = sql`
    c.id, c.event_type, c.payload::text as payload, c.attempts as attempt,
    coalesce(${
    iso(sql`c.created_at`)
  }, c.created_at::text) as created_at, e.id as endpoint_id, e.url, e.secret_key`;

  return {
    /** Takes up to `limit` due deliveries: counts the attempt and starts the lease, in one statement. */
    async claim(limit: number): Promise<ClaimedRow[]> {
      return await sql<ClaimedRow[]>`
        with due as (
          select d.id from public.webhook_deliveries d
          where d.status = 'pending' and ${dueSince} <= now()
          order by d.created_at
          limit ${limit}
          for update skip locked
        ), c as (
          update public.webhook_deliveries d
          -- Whatever an admin has put there: one odd row must not stop the claim.
          set attempts = least(greatest(d.attempts, 0), 2147483646) + 1, last_attempt_at = now(),
              response_status = null, response_body = null, error_message = null
          from due where d.id = due.id
          returning d.*
        )
        select ${claimedColumns}, e.is_active
        from c left join public.webhook_configurations e on e.id = c.webhook_config_id
        order by c.created_at`;
    },

    /** Writes what became of claimed rows; returns the ids of those that were still this dispatcher's to write. */
    async record(updates: readonly RowUpdate[]): Promise<string[]> {
      const rows = await sql<{ id: string }[]>`
        update public.webhook_deliveries d
        set status = u.status, last_attempt_at = now(), response_status = u.response_status,
            response_body = u.response_body, error_message = u.error_message
        from jsonb_to_recordset(${JSON.stringify(updates)}::text::jsonb) as u(
          id uuid, attempt integer, status text, response_status integer, response_body text,
          error_message text)
        where d.id = u.id and d.attempts = u.attempt and d.status = 'pending'
        returning d.id`;
      return rows.map((row) => row.id);
    },

    async remaining(): Promise<Remaining> {
      const [row] = await sql<Remaining[]>`
        select count(*)::integer as pending, (count(*) filter (where ${dueSince} <= now()))::integer as due
        from public.webhook_deliveries d where d.status = 'pending'`;
      return row ?? { pending: 0, due: 0 };
    },

    /** Makes deliveries that are claimed already, so that no dispatcher takes them. */
    async insertClaimed({ endpointId, eventType, payload }: TestTarget): Promise<ClaimedRow[]> {
      const chosen = endpointId === undefined
        ? sql`e.is_active and ${eventType} = any (e.events)`
        : sql`e.id = ${endpointId}::uuid`;
      const inserted = sql<ClaimedRow[]>`
        with c as (
          insert into public.webhook_deliveries
            (webhook_config_id, event_type, payload, attempts, last_attempt_at)
          select e.id, ${eventType}, ${payload}::text::jsonb, 1, now()
          from public.webhook_configurations e where ${chosen}
          returning *
        )
        select ${claimedColumns}, true as is_active
        from c join public.webhook_configurations e on e.id = c.webhook_config_id
        order by e.created_at, e.id`;
      return await inserted.catch((error) => {
        throw UNSTORABLE.includes(error.code) ? new PayloadError(error.message) : error;
      });
    },

    /**
     * Emits discussion.auto_closed once for each expiry within `lookbackMs`. An expiry is a discussion and its
     * `expires_at`, and the event names both: what has been announced is in the deliveries themselves.
     */
    async closeExpired(lookbackMs: number, limit: number): Promise<Closed> {
      const closedAt = iso(sql`d.expires_at`);
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

    async healthFacts(): Promise<HealthFacts> {
      const [facts] = await sql<HealthFacts[]>`
        with recent as materialized (
          select d.status, d.created_at, d.webhook_config_id, d.attempts, d.last_attempt_at, d.error_message
          from public.webhook_deliveries d
          where d.created_at > now() - interval '24 hours' and not d.payload @> ${TEST_MARK}::text::jsonb
        ), pending as (
          select count(*) as pending, min(${dueSince}) as due_since, max(d.last_attempt_at) as last_attempt_at
          from public.webhook_deliveries d where d.status = 'pending'
        ), idle as (
          -- A backlog is no sign of a dispatcher that does not run, as long as it makes attempts.
          select greatest(
            pending.due_since, pending.last_attempt_at, (select max(r.last_attempt_at) from recent r)) as since
          from pending where pending.due_since <= now()
        ), succeeded as (
          select r.webhook_config_id, max(r.last_attempt_at) as at
          from recent r where r.status = 'delivered' group by 1
        ), failing as (
          -- Of a row that is older than the last success only the last attempt is known to have come after it.
          select e.id as endpoint_id, e.name,
            sum(case when r.created_at > coalesce(s.at, '-infinity') then r.attempts else 1 end)
              as failures_in_a_row
          from recent r
          join public.webhook_configurations e on e.id = r.webhook_config_id and e.is_active
          left join succeeded s on s.webhook_config_id = r.webhook_config_id
          where r.status <> 'delivered' and r.error_message is not null
            and r.last_attempt_at > coalesce(s.at, '-infinity')
          group by e.id, e.name
          order by e.name
        )
        select
          (select ${windowOf(sql)} from recent r where r.created_at > now() - interval '1 hour') as last_hour,
          (select ${windowOf(sql)} from recent r) as last_24_hours,
          pending.pending::float8 as pending,
          (select extract(epoch from now() - idle.since) * 1000 from idle)::float8 as due_for_ms,
          coalesce((select jsonb_agg(f) from failing f), '[]') as failing
        from pending`;
      if (!facts) throw new Error("the health query gave no row");
      return facts;
    },
  };
}

function windowOf(sql: Sql) {
  return sql`jsonb_build_object(
    'total', count(*),
    'pending', count(*) filter (where r.status = 'pending'),
    'delivered', count(*) filter (where r.status = 'delivered'),
    'failed', count(*) filter (where r.status = 'failed'))`;
}
