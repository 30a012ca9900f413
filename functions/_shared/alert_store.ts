/**
 * Alerts in the tables. What was sent before is in the deliveries themselves: no column and no table keeps it, and an alert
 * is delivered as every event is.
 *
 * @module
 */

import type postgres from "postgres";
import {
  type Alert,
  alertEvent,
  type AlertScope,
  alertsDue,
  type ClaimedRow,
  type OpenAlert,
  type Settings,
} from "./core.ts";
import { healthFacts } from "./health_store.ts";
import { boundedText, claimedColumns, dueSince, iso, msSince, TEST_MARK } from "./store_rules.ts";

type Sql = postgres.ISql;

/** Alerts that were inserted, and their deliveries. */
export interface Raised {
  alerts: Pick<Alert, "cause" | "state" | "endpoint">[];
  deliveryIds: string[];
}

/** An alert that goes on is repeated long before this. */
const MEMORY = "8 days";

/**
 * Inserts the alerts that are due, a pending delivery for each active endpoint that is subscribed. Where nobody is, nothing
 * is looked at.
 */
export async function raiseAlerts(sql: postgres.Sql, settings: Settings, scope: AlertScope): Promise<Raised> {
  const nothing = { alerts: [], deliveryIds: [] };
  if (!settings.alerts.isOn) return nothing;
  const [subscriber] = await sql`
    select from public.webhook_configurations where is_active and events @> array[${alertEvent()}] limit 1`;
  if (!subscriber) return nothing;
  // In read committed, whatever the database's default, each statement sees what has been committed before it.
  return await sql.begin("isolation level read committed", async (tx) => {
    // Dispatchers that see the same take turns, and the second one sees that it has been said.
    await tx`
      select set_config('lock_timeout', '3s', true), set_config('idle_in_transaction_session_timeout', '10s', true)`;
    await tx`select pg_advisory_xact_lock(hashtextextended('webhook-alerts', 0))`;
    const facts = await healthFacts(tx, settings);
    const open = await openAlerts(tx);
    // The transaction's own time is from before the lock.
    const [time] = await tx<{ now: string }[]>`select ${iso(tx, tx`clock_timestamp()`)} as now`;
    const alerts = alertsDue(facts, open, settings, scope, time?.now ?? "");
    const rows = alerts.length > 0 ? await insert(tx, alerts) : [];
    return { alerts, deliveryIds: rows.map(({ id }) => id) };
  });
}

/** Takes alerts that are due, as a claim does: for whoever sends them while no dispatcher runs. */
export async function claimAlerts(sql: Sql, settings: Settings, limit: number): Promise<ClaimedRow[]> {
  return await sql<ClaimedRow[]>`
    with due as materialized (
      select d.id from public.webhook_deliveries d
      where d.status = 'pending' and d.event_type = ${alertEvent()} and ${dueSince(sql, settings)} <= now()
      order by d.created_at limit ${limit}
      for update skip locked
    ), taken as (
      update public.webhook_deliveries d
      set attempts = least(greatest(d.attempts, 0), 2147483646) + 1, last_attempt_at = now(),
          response_status = null, response_body = null, error_message = null
      from due where d.id = due.id
      returning d.*
    ), c as materialized (
      select t.*, t.payload::text as text from taken t
    )
    select ${claimedColumns(sql, boundedText(sql, sql`c.text`, settings))}, e.is_active
    from c left join public.webhook_configurations e on e.id = c.webhook_config_id
    order by c.created_at`;
}

/** An alert as its delivery tells it, and how long ago that was sent. */
type Told = Omit<OpenAlert, "since_ago_ms"> & { now_ms: number };

/** What our own alerts have in their envelope. Whoever may call `dispatch_webhook` says what an event's data is, and no more. */
const ALERT_MARK = '{"alert": true}';

/** The last word on each cause and endpoint, where that is not that it has ended. Only our own alerts count. */
async function openAlerts(sql: Sql): Promise<OpenAlert[]> {
  const rows = await sql<Told[]>`
    with said as materialized (
      select d.created_at, d.payload -> 'data' as data
      from public.webhook_deliveries d
      where d.event_type = ${alertEvent()} and d.created_at > now() - ${MEMORY}::text::interval
        -- Not now(), which is from before the lock; and a clock that was set back has no say.
        and d.created_at <= clock_timestamp()
        and d.webhook_config_id in (
          select e.id from public.webhook_configurations e where e.events @> array[${alertEvent()}])
        and d.payload @> ${ALERT_MARK}::text::jsonb and not d.payload @> ${TEST_MARK}::text::jsonb
        and jsonb_typeof(d.payload #> '{data,cause}') = 'string' and jsonb_typeof(d.payload #> '{data,since}') = 'string'
        and (jsonb_typeof(d.payload #> '{data,endpoint}') = 'null'
          or jsonb_typeof(d.payload #> '{data,endpoint,id}') = 'string'
            and jsonb_typeof(d.payload #> '{data,endpoint,name}') = 'string')
    ), last as (
      select distinct on (s.data ->> 'cause', s.data -> 'endpoint' ->> 'id') s.* from said s
      order by s.data ->> 'cause', s.data -> 'endpoint' ->> 'id', s.created_at desc
    )
    select l.data ->> 'cause' as cause, nullif(l.data -> 'endpoint', 'null') as endpoint, l.data ->> 'since' as since,
      (extract(epoch from clock_timestamp()) * 1000)::float8 as now_ms,
      ${msSince(sql, sql`l.created_at`)} as sent_ago_ms, e.is_active
    from last l left join public.webhook_configurations e on e.id::text = l.data -> 'endpoint' ->> 'id'
    where l.data ->> 'state' in ('firing', 'reminder')`;
  return rows.map(({ now_ms, ...open }) => {
    const ago = Math.round(now_ms - Date.parse(open.since));
    return { ...open, since_ago_ms: Number.isNaN(ago) ? 0 : Math.max(0, ago) };
  });
}

async function insert(sql: Sql, alerts: readonly Alert[]): Promise<{ id: string }[]> {
  const texts = JSON.stringify(alerts.map(({ data }) => data));
  return await sql<{ id: string }[]>`
    with a as materialized (
      select gen_random_uuid() as request_id, clock_timestamp() as at, value::jsonb as data
      from jsonb_array_elements_text(${texts}::text::jsonb)
    )
    insert into public.webhook_deliveries (webhook_config_id, event_type, payload, created_at)
    select e.id, ${alertEvent()}, jsonb_build_object('event', ${alertEvent()}::text, 'timestamp', ${
    iso(sql, sql`a.at`)
  },
      'actor_user_id', null, 'data', a.data, 'request_id', a.request_id) || ${ALERT_MARK}::text::jsonb, a.at
    from a join public.webhook_configurations e on e.is_active and e.events @> array[${alertEvent()}]
    returning id`;
}
