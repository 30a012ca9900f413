/**
 * What the tables say of how deliveries fare.
 *
 * @module
 */

import type postgres from "postgres";
import { alertEvent, type HealthFacts, type Settings } from "./core.ts";
import { dueSince, failing, msSince, TEST_MARK } from "./store_rules.ts";

type Sql = postgres.ISql;

/** Tests and alerts count for nothing, but for the endpoints that fail to take them. */
export async function healthFacts(sql: Sql, settings: Settings): Promise<HealthFacts> {
  const [facts] = await sql<HealthFacts[]>`
    with recent as materialized (
      select d.status, d.created_at, d.last_attempt_at
      from public.webhook_deliveries d
      where d.created_at > now() - interval '24 hours' and d.event_type <> ${alertEvent()}
        and not d.payload @> ${TEST_MARK}::text::jsonb
    ), ${failing(sql, settings)}, pending as (
      select count(*) as pending, max(d.last_attempt_at) as last_attempt_at,
        -- What a breaker holds back is due when it lets its probe through.
        min(greatest(${
    dueSince(sql, settings)
  }, case when f.failures >= ${settings.breakerFailures} and ${settings.breakerFailures} > 0
          then f.last_failure_at + interval '1 ms' * ${settings.breakerPauseMs}::float8 end)) as due_since
      from public.webhook_deliveries d left join failing f on f.id = d.webhook_config_id
      where d.status = 'pending' and d.event_type <> ${alertEvent()}
    ), idle as (
      -- A backlog is no sign of a dispatcher that does not run, as long as it makes attempts.
      select greatest(
        pending.due_since, pending.last_attempt_at, (select max(r.last_attempt_at) from recent r)) as since
      from pending where pending.due_since <= now()
    )
    select
      (select ${windowOf(sql)} from recent r where r.created_at > now() - interval '1 hour') as last_hour,
      (select ${windowOf(sql)} from recent r) as last_24_hours,
      pending.pending::float8 as pending,
      (select ${
    msSince(sql, sql`greatest(least(idle.since, now()), now() - interval '100 years')`)
  } from idle) as due_for_ms,
      coalesce((
        select jsonb_agg(jsonb_build_object('endpoint_id', e.id, 'name', e.name,
          'failures_in_a_row', f.failures, 'last_failure_ago_ms', ${msSince(sql, sql`f.last_failure_at`)},
          'is_alerts_only', f.is_alerts_only) order by e.name)
        from failing f join public.webhook_configurations e on e.id = f.id and e.is_active), '[]') as failing,
      coalesce((
        select jsonb_agg(jsonb_build_object('id', e.id, 'name', e.name) order by e.name)
        from public.webhook_configurations e
        where not e.is_active and exists (
          select from public.webhook_deliveries d
          where d.webhook_config_id = e.id and d.status = 'failed' and d.response_status = 410
            and d.last_attempt_at > now() - interval '1 hour' and d.created_at > now() - interval '3 days'
            and not d.payload @> ${TEST_MARK}::text::jsonb)), '[]') as switched_off
    from pending`;
  if (!facts) throw new Error("the health query gave no row");
  return facts;
}

function windowOf(sql: Sql) {
  return sql`jsonb_build_object(
    'total', count(*),
    'pending', count(*) filter (where r.status = 'pending'),
    'delivered', count(*) filter (where r.status = 'delivered'),
    'failed', count(*) filter (where r.status = 'failed'))`;
}
