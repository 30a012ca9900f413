/**
 * What the tables say of how deliveries fare.
 *
 * @module
 */

import type postgres from "postgres";
import { alertEvent, type EndpointFigures, type HealthFacts, type Settings } from "./core.ts";
import { dueSince, failing, iso, msSince, pausedUntil, TEST_MARK } from "./store_rules.ts";

type Sql = postgres.ISql;

/**
 * Tests and alerts count for nothing, but for the endpoints that fail to take them. Anybody may ask, so what was made
 * within 24 hours is read once and not kept.
 */
export async function healthFacts(sql: Sql, settings: Settings): Promise<HealthFacts> {
  const [facts] = await sql<HealthFacts[]>`
    with counts as materialized (
      select d.status, d.created_at > now() - interval '1 hour' as is_of_last_hour, count(*) as deliveries,
        max(d.last_attempt_at) as last_attempt_at
      from public.webhook_deliveries d where ${counted(sql)}
      group by 1, 2
    ), recent as (
      select ${windowOf(sql, sql`c.is_of_last_hour`)} as last_hour, ${
    windowOf(sql, sql`true`)
  } as last_24_hours,
        max(c.last_attempt_at) as last_attempt_at
      from counts c
    ), ${failing(sql, settings)}, owed as materialized (
      select d.webhook_config_id as id, count(*) as pending, max(d.last_attempt_at) as last_attempt_at,
        min(${dueSince(sql, settings)}) as due_since, max(${pausedUntil(sql)}) as paused_until
      from public.webhook_deliveries d where d.status = 'pending' and d.event_type <> ${alertEvent()}
      group by d.webhook_config_id
    ), life as (
      -- A backlog is no sign of a dispatcher that does not run, as long as it makes attempts.
      select greatest(max(o.last_attempt_at), (select r.last_attempt_at from recent r)) as at,
        coalesce(sum(o.pending), 0) as pending
      from owed o
    ), pending as (
      select (select l.pending from life l) as pending, min(greatest(o.due_since, (select l.at from life l),
        -- What is held back is due when it may go: by a breaker's probe, by the receiver's word, by its rate.
        case when f.failures >= ${settings.breakerFailures} and ${settings.breakerFailures} > 0
          then f.last_failure_at + interval '1 ms' * ${settings.breakerPauseMs}::float8 end,
        o.paused_until,
        (select l.at from life l) + ${rateInterval(sql, settings)})) as since
      from owed o
      left join failing f on f.id = o.id
      left join public.webhook_configurations e on e.id = o.id
    ), idle as (
      select p.since from pending p where p.since <= now()
    )
    select recent.last_hour, recent.last_24_hours, pending.pending::float8 as pending,
      (select ${
    msSince(sql, sql`greatest(least(idle.since, now()), now() - interval '100 years')`)
  } from idle) as due_for_ms,
      coalesce((
        select jsonb_agg(jsonb_build_object('endpoint_id', e.id, 'name', e.name,
          'failures_in_a_row', f.failures, 'last_failure_ago_ms', ${msSince(sql, sql`f.last_failure_at`)},
          'first_failure_at', ${iso(sql, sql`f.first_failure_at`)},
          'is_alerts_only', f.is_alerts_only) order by e.name)
        from failing f join public.webhook_configurations e on e.id = f.id and e.is_active), '[]') as failing,
      coalesce((
        select jsonb_agg(jsonb_build_object('id', e.id, 'name', e.name) order by e.name)
        from public.webhook_configurations e
        -- Not what somebody has switched off since.
        where not e.is_active and e.id in (
          select v.id from evidence v where v.is_gone and v.last_attempt_at > e.updated_at - interval '1 minute')),
        '[]') as switched_off
    from pending, recent`;
  if (!facts) throw new Error("the health query gave no row");
  return facts;
}

/**
 * Steps of a histogram's logarithm: a latency is known to half a per cent, without sorting all of them. `date_part` makes no
 * numeric, as `extract` does.
 */
const STEPS_PER_E = 100;

/**
 * How each endpoint fared with what was made within 24 hours, and what it is owed, of any age: the active ones, and of the
 * others those that are owed something or have failed.
 */
export async function endpointFigures(sql: Sql, settings: Settings): Promise<EndpointFigures[]> {
  return await sql<EndpointFigures[]>`
    with histogram as materialized (
      select d.webhook_config_id as id, d.status,
        case when d.status = 'delivered' and d.last_attempt_at >= d.created_at and isfinite(d.last_attempt_at)
          then round(ln(greatest(1, date_part('epoch', d.last_attempt_at - d.created_at) * 1000)) * ${STEPS_PER_E}::float8)
        end as step,
        count(*) as deliveries, sum(greatest(d.attempts, 0)) as attempts
      from public.webhook_deliveries d where ${counted(sql)}
      group by 1, 2, 3
    ), recent as (
      select id, sum(attempts) as attempts,
        sum(deliveries) filter (where status = 'delivered') as delivered,
        sum(deliveries) filter (where status = 'failed') as failed
      from histogram group by id
    ), ranked as (
      select id, exp(step / ${STEPS_PER_E}::float8) as ms,
        sum(deliveries) over (partition by id order by step) as up_to, sum(deliveries) over (partition by id) as all_of
      from histogram where step is not null
    ), latencies as (
      select id, jsonb_build_object(
        'p50', min(ms) filter (where up_to >= 0.5 * all_of),
        'p95', min(ms) filter (where up_to >= 0.95 * all_of),
        'p99', min(ms) filter (where up_to >= 0.99 * all_of)) as ms
      from ranked group by id
    ), owed as (
      select d.webhook_config_id as id, count(*) as pending,
        min(d.created_at) filter (where isfinite(d.created_at)) as oldest_at,
        greatest(min(${dueSince(sql, settings)}), max(${pausedUntil(sql)})) as due_at
      from public.webhook_deliveries d
      where d.status = 'pending' and d.event_type <> ${alertEvent()} and not d.payload @> ${TEST_MARK}::text::jsonb
      group by d.webhook_config_id
    )
    select e.id as endpoint_id, e.name, e.url, e.is_active, coalesce(r.attempts, 0)::float8 as attempts,
      coalesce(r.delivered, 0)::float8 as delivered, coalesce(r.failed, 0)::float8 as failed,
      coalesce(o.pending, 0)::float8 as pending, l.ms as latency_ms,
      case when o.oldest_at is not null then ${msSince(sql, sql`o.oldest_at`)} end as oldest_pending_ms,
      case when isfinite(o.due_at) then
        greatest(0, extract(epoch from o.due_at - now()) * 1000)::float8 end as next_due_in_ms
    from public.webhook_configurations e
    left join recent r on r.id = e.id left join latencies l on l.id = e.id left join owed o on o.id = e.id
    where e.is_active or o.pending > 0 or r.failed > 0
    order by e.name, e.id`;
}

/** The deliveries `d` that figures are made of. The payload comes last: to look into a long one means to load it. */
function counted(sql: Sql) {
  return sql`d.created_at > now() - interval '24 hours' and d.event_type <> ${alertEvent()}
    and not d.payload @> ${TEST_MARK}::text::jsonb`;
}

/** How long an endpoint `e` has to wait between two deliveries, by its rate or the one of all; null without one. */
function rateInterval(sql: Sql, { rateLimit }: Settings) {
  const own = sql`regexp_match(e.url, '#(?:[^#]*&)?rate=([0-9]{1,7})/([smh])(?:&|$)')`;
  const usual = rateLimit === null ? null : rateLimit.perMs / rateLimit.count;
  return sql`interval '1 ms' * coalesce(
    (${own})[1]::float8 ^ -1 * case (${own})[2] when 's' then 1000 when 'm' then 60000 when 'h' then 3600000 end,
    ${usual}::float8)`;
}

/** The sums of `counts`, over those that `when` is true of. */
function windowOf(sql: Sql, when: postgres.PendingQuery<postgres.Row[]>) {
  const sumOf = (status: postgres.PendingQuery<postgres.Row[]>) =>
    sql`coalesce(sum(c.deliveries) filter (where ${status} and ${when}), 0)`;
  return sql`jsonb_build_object(
    'total', ${sumOf(sql`true`)},
    'pending', ${sumOf(sql`c.status = 'pending'`)},
    'delivered', ${sumOf(sql`c.status = 'delivered'`)},
    'failed', ${sumOf(sql`c.status = 'failed'`)})`;
}
