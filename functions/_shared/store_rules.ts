/**
 * The rules that several statements share, as fragments of SQL: when a delivery is due, how an endpoint fares.
 *
 * @module
 */

import type postgres from "postgres";
import { alertEvent, type Settings } from "./core.ts";

/** When a pending row may be taken, and how an endpoint fares: see ARCHITECTURE.md, "The claim" and "Endpoints". */
export type StoreSettings = Pick<
  Settings,
  "leaseMs" | "retryDelaysMs" | "breakerFailures" | "breakerPauseMs" | "maxPayloadBytes"
>;

type Sql = postgres.ISql;
type Fragment = postgres.PendingQuery<postgres.Row[]>;

/** What an envelope of the test tool holds. Tests count for nothing. */
export const TEST_MARK = '{"test": true}';

/** A time as ISO 8601 in UTC. */
export function iso(sql: Sql, column: Fragment): Fragment {
  return sql`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** Milliseconds since a time. */
export function msSince(sql: Sql, time: Fragment): Fragment {
  return sql`greatest(0, extract(epoch from now() - ${time}) * 1000)::float8`;
}

/** The columns of a `ClaimedRow` but for `is_active`, of a claimed row `c` with `payload` as its text, and its endpoint `e`. */
export function claimedColumns(sql: Sql, payload: Fragment): Fragment {
  return sql`
    c.id, c.event_type, ${payload} as payload, c.attempts as attempt,
    coalesce(${
    iso(sql, sql`c.created_at`)
  }, c.created_at::text) as created_at, c.webhook_config_id as endpoint_id, e.url, e.secret_key`;
}

/** A text, unless it is longer than is sent. */
export function boundedText(sql: Sql, text: Fragment, { maxPayloadBytes }: StoreSettings): Fragment {
  return sql`case when octet_length(${text}) <= ${maxPayloadBytes}::float8 then ${text} end`;
}

/**
 * The payload of a row `c` as text, unless it is longer than is sent. A small one is not made into text twice: the core
 * judges its length.
 */
export function payloadText(sql: Sql, settings: StoreSettings): Fragment {
  return sql`
    case when pg_column_size(c.payload) < 2000 and pg_column_compression(c.payload) is null then c.payload::text
      else ${boundedText(sql, sql`c.payload::text`, settings)} end`;
}

/**
 * About how many bytes the payload of a row `d` has as text, without reading it. What is compressed may be many times longer than
 * it is stored; a long one is taken to be, since a few of them fill the memory.
 */
export function payloadBytes(sql: Sql, { maxPayloadBytes }: StoreSettings): Fragment {
  return sql`
    case
      when pg_column_compression(d.payload) is null then pg_column_size(d.payload)
      else least(pg_column_size(d.payload) * least(pg_column_size(d.payload) / 250.0::float8, 32), ${maxPayloadBytes}::float8)::integer
    end`;
}

/** Since when a pending row `d` has been due; in the future for one that is not. */
export function dueSince(sql: Sql, settings: StoreSettings): Fragment {
  const delays = `{${settings.retryDelaysMs.join(",")}}`;
  return sql`
    case
      -- A time that nobody but an admin's slip can have put there stands for no time.
      when d.attempts <= 0 or d.last_attempt_at is null or d.last_attempt_at > now() + interval '1 day'
        then least(greatest(d.created_at, d.last_attempt_at), now())
      when d.error_message is null then d.last_attempt_at + interval '1 ms' * ${settings.leaseMs}::float8
      else d.last_attempt_at + interval '1 ms' * coalesce(
        -- What the row says is what happens; the schedule stands in for rows that say nothing.
        substring(d.error_message from 'next in ([0-9]{1,9}(?:[.][0-9]{1,3})?) s$')::float8 * 1000,
        (${delays}::text::float8[])[least(d.attempts, cardinality(${delays}::text::float8[]))])
    end`;
}

/** Until when a pending row `d` has its receiver's word that the whole endpoint is to wait; null where it has not. */
export function pausedUntil(sql: Sql): Fragment {
  return sql`
    case when d.response_status in (429, 503) and isfinite(d.last_attempt_at) and d.last_attempt_at <= now()
      then d.last_attempt_at + interval '1 s' *
        substring(d.error_message from 'asked to wait ([0-9]{1,6}) s')::float8 end`;
}

/**
 * `failing`: endpoints by their failures since their last success. It looks at what is pending, at what failed
 * within the last hour, and only for those with enough failures at their successes. A 429 is no failure, and
 * neither is what was not sent or what the test tool sent.
 */
export function failing(sql: Sql, settings: StoreSettings): Fragment {
  return sql`
    evidence as materialized (
      select d.webhook_config_id as id, d.created_at, d.last_attempt_at, d.error_message is null as is_under_way,
        d.event_type = ${alertEvent()} as is_alert, d.status = 'failed' and d.response_status = 410 as is_gone,
        -- A row under way has lost its last message, not its failures.
        case when d.error_message is null then d.attempts - 1 else d.attempts end as attempts
      from public.webhook_deliveries d
      where (d.status = 'pending' and d.attempts > 0
          or d.status = 'failed' and d.last_attempt_at > now() - interval '1 hour'
            and d.created_at > now() - interval '3 days')
        and (d.error_message is null and d.attempts > 1
          or d.error_message not like 'not sent: %' and d.response_status is distinct from 429)
        and d.last_attempt_at <= now() and d.last_attempt_at > '-infinity'
        and not d.payload @> ${TEST_MARK}::text::jsonb
    ), suspected as materialized (
      select id from evidence group by id
      having sum(attempts) >= ${settings.breakerFailures} and ${settings.breakerFailures} > 0
    ), succeeded as materialized (
      select d.webhook_config_id as id, max(d.last_attempt_at) as at
      from public.webhook_deliveries d
      where d.status = 'delivered' and d.created_at > now() - interval '3 days'
        -- An older success is older than all that failed, and says nothing.
        and d.last_attempt_at > (
          select min(v.created_at) from evidence v where v.id in (select s.id from suspected s))
        and d.webhook_config_id in (select s.id from suspected s)
      group by 1
    ), failing as (
      select v.id, bool_and(v.is_alert) as is_alerts_only,
        -- A row under way was touched by its claim, not by a failure.
        coalesce(max(v.last_attempt_at) filter (where not v.is_under_way), max(v.last_attempt_at)) as last_failure_at,
        -- A row knows its last failure only: it may have begun before.
        coalesce(min(v.last_attempt_at) filter (where not v.is_under_way), min(v.last_attempt_at)) as first_failure_at,
        -- Of a row that is older than the last success only the last attempt is known to have come after it.
        sum(case
          when v.created_at > coalesce(s.at, '-infinity') then v.attempts
          when v.is_under_way then 0
          else 1
        end) as failures
      from evidence v left join succeeded s on s.id = v.id
      where v.last_attempt_at > coalesce(s.at, '-infinity')
      group by v.id
    )`;
}
