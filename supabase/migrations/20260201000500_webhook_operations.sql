-- Tools for whoever runs it: what has failed for good, sending it again, figures by the hour, taking old rows away. Needs
-- webhook_foundation.

do $migration$
begin
  if to_regclass('webhooks.settings') is null then
    raise exception using errcode = '55000',
      message = 'webhook_operations: apply 20260201000100_webhook_foundation.sql first';
  end if;
end
$migration$;

alter table webhooks.settings
  add column if not exists retention interval
    constraint settings_retention_from_3_days check (retention >= '3 days');
comment on column webhooks.settings.retention is
  'How long prune() leaves delivered rows; null for ever. Breakers, rates and health look back three days.';

-- What has failed for good, and why.
create or replace view webhooks.dead_letters with (security_invoker = true) as
select d.id, d.webhook_config_id as endpoint_id, c.name as endpoint, c.is_active as endpoint_is_on, d.event_type,
  d.error_message as reason, d.response_status, d.attempts, d.created_at, d.last_attempt_at as failed_at,
  now() - d.created_at as age, d.payload
from public.webhook_deliveries d
left join public.webhook_configurations c on c.id = d.webhook_config_id
where d.status = 'failed';

-- Puts failed deliveries back, the oldest first, as the dispatcher does for {"replay": {…}}: they must meet all that is
-- given, and something must be. `matched` fit, `switched_off` more would if their endpoint were on. The next call of the
-- dispatcher sends them; with webhook_wakeup, at once.
create or replace function webhooks.replay_webhooks(
  ids uuid[] default null,
  endpoint_id uuid default null,
  event_type text default null,
  -- They were made at this time or later.
  created_from timestamptz default null,
  -- They were made before this time.
  created_before timestamptz default null,
  most integer default 1000,
  dry_run boolean default false
)
returns table (matched integer, switched_off integer, replayed integer)
language plpgsql
set search_path = ''
as $$
#variable_conflict use_column
begin
  if num_nonnulls(ids, endpoint_id, event_type, created_from, created_before) = 0 then
    raise exception using errcode = '22023',
      message = 'replay_webhooks: name some deliveries by ids, endpoint_id, event_type, created_from or created_before';
  end if;
  if cardinality(ids) not between 1 and 10000 then
    raise exception using errcode = '22023',
      message = format('replay_webhooks: ids: expected 1 to 10000 UUIDs, got %s', cardinality(ids));
  end if;
  if most is null or most not between 1 and 10000 then
    raise exception using errcode = '22023',
      message = format('replay_webhooks: most: expected a whole number from 1 to 10000, got %s',
        coalesce(most::text, 'null'));
  end if;
  return query
  with matching as materialized (
    select d.id, d.created_at, e.is_active
    from public.webhook_deliveries d
    join public.webhook_configurations e on e.id = d.webhook_config_id
    where d.status = 'failed'
      and (replay_webhooks.ids is null or d.id = any (replay_webhooks.ids))
      and (replay_webhooks.endpoint_id is null or d.webhook_config_id = replay_webhooks.endpoint_id)
      and (replay_webhooks.event_type is null or d.event_type = replay_webhooks.event_type)
      and (replay_webhooks.created_from is null or d.created_at >= replay_webhooks.created_from)
      and (replay_webhooks.created_before is null or d.created_at < replay_webhooks.created_before)
  ), chosen as (
    select d.id from matching m join public.webhook_deliveries d on d.id = m.id
    where m.is_active and d.status = 'failed' and not coalesce(replay_webhooks.dry_run, false)
    order by m.created_at
    limit replay_webhooks.most
    for update of d skip locked
  ), put_back as (
    -- The reason stays until the next attempt.
    update public.webhook_deliveries d set status = 'pending', attempts = 0, last_attempt_at = now()
    from chosen where d.id = chosen.id
    returning d.id
  )
  select (count(*) filter (where m.is_active))::integer, (count(*) filter (where not m.is_active))::integer,
    (select count(*)::integer from put_back)
  from matching m;
  if not coalesce(dry_run, false) and to_regprocedure('webhooks.wake()') is not null then
    perform webhooks.wake();
  end if;
end
$$;

-- What has failed within the last hour: each call of the dispatcher and of webhook-health asks for it, and would otherwise
-- read what failed in three days. The claim needs no index of its own: webhook_deliveries_status finds what is pending.
create index if not exists webhook_deliveries_failed on public.webhook_deliveries (last_attempt_at)
where status = 'failed';

-- Deliveries by endpoint and hour (UTC) of their event. Tests count for nothing.
create table if not exists webhooks.hourly_metrics (
  hour timestamptz not null,
  -- No foreign key: the figures outlive the endpoint.
  endpoint_id uuid not null,
  deliveries integer not null,
  attempts bigint not null,
  delivered integer not null,
  failed integer not null,
  pending integer not null,
  -- From the event to the receiver's answer, in milliseconds, of what was delivered; null where nothing was.
  p50_ms double precision,
  p95_ms double precision,
  primary key (hour, endpoint_id)
);
create index if not exists hourly_metrics_unsettled on webhooks.hourly_metrics (hour) where pending > 0;
alter table webhooks.hourly_metrics enable row level security;

-- One row: hours before this are counted, and are counted again only while something in them is pending.
create table if not exists webhooks.metrics_progress (
  is_only_row boolean primary key default true,
  counted_before timestamptz,
  constraint metrics_progress_has_one_row check (is_only_row)
);
alter table webhooks.metrics_progress enable row level security;
insert into webhooks.metrics_progress default values on conflict do nothing;

-- Counts the hours that are new or may have changed, at most `most_hours` of them, and returns how many: call it again
-- where it returns that many. `since` counts again from an hour on, say after a replay; what prune() has taken away stays
-- counted.
create or replace function webhooks.refresh_metrics(since timestamptz default null, most_hours integer default 1000)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  this_hour timestamptz := date_trunc('hour', now(), 'UTC');
  first_hour timestamptz;
  unsettled timestamptz[];
  hours timestamptz[];
begin
  if most_hours is null or most_hours < 1 then
    raise exception using errcode = '22023', message = 'refresh_metrics: most_hours: expected a whole number from 1';
  end if;
  -- One run at a time is enough.
  if not pg_try_advisory_xact_lock(hashtextextended('webhooks-metrics', 0)) then
    return 0;
  end if;
  first_hour := coalesce(
    date_trunc('hour', since, 'UTC'),
    (select p.counted_before from webhooks.metrics_progress p),
    (select date_trunc('hour', min(d.created_at), 'UTC') from public.webhook_deliveries d));
  select array_agg(h.hour) into unsettled from (
    select u.hour from (
      select m.hour from webhooks.hourly_metrics m where m.pending > 0
      union
      -- What was put back.
      select date_trunc('hour', d.created_at, 'UTC') from public.webhook_deliveries d where d.status = 'pending'
    ) u
    where u.hour < first_hour order by u.hour limit most_hours / 2
  ) h;
  -- Something is left for new hours, whatever is pending for ever.
  select array_agg(h.hour order by h.hour) into hours from (
    select g as hour from generate_series(first_hour, this_hour, interval '1 hour') g
    order by g limit most_hours - coalesce(cardinality(unsettled), 0)
  ) h;
  if hours is null then
    return 0;
  end if;

  insert into webhooks.hourly_metrics as m
    (hour, endpoint_id, deliveries, attempts, delivered, failed, pending, p50_ms, p95_ms)
  select h.hour, d.webhook_config_id, count(*), sum(d.attempts), count(*) filter (where d.status = 'delivered'),
    count(*) filter (where d.status = 'failed'), count(*) filter (where d.status = 'pending'),
    percentile_disc(0.5) within group (order by d.ms), percentile_disc(0.95) within group (order by d.ms)
  from unnest(unsettled || hours) as h(hour)
  cross join lateral (
    select d.webhook_config_id, d.status, d.attempts,
      -- Percentiles leave nulls out.
      case when d.status = 'delivered' then extract(epoch from d.last_attempt_at - d.created_at)::float8 * 1000 end as ms
    from public.webhook_deliveries d
    where d.created_at >= h.hour and d.created_at < h.hour + interval '1 hour' and not d.payload @> '{"test": true}'
  ) d
  group by h.hour, d.webhook_config_id
  on conflict (hour, endpoint_id) do update set
    deliveries = excluded.deliveries, attempts = excluded.attempts, delivered = excluded.delivered,
    failed = excluded.failed, pending = excluded.pending, p50_ms = excluded.p50_ms, p95_ms = excluded.p95_ms
  where excluded.deliveries >= m.deliveries;

  -- Transactions that began before the last full hour may still commit.
  update webhooks.metrics_progress p
  set counted_before = greatest(p.counted_before, least(hours[cardinality(hours)], this_hour - interval '1 hour'));
  return cardinality(hours) + coalesce(cardinality(unsettled), 0);
end
$$;

-- Takes away old rows in one bounded step, the oldest first, and returns how many: call it again where it returns
-- `most`. `older_than` counts from the event; left out it is webhooks.settings.retention, and without that nothing is
-- taken. Delivered rows only, but for what it is told. Announcements of expiries stay for 91 days: they tell what has been
-- announced.
create or replace function webhooks.prune(
  older_than interval default null,
  most integer default 5000,
  failed boolean default false,
  pending boolean default false
)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  age interval := coalesce(older_than, (select s.retention from webhooks.settings s));
  taken integer;
begin
  if age < interval '3 days' then
    raise exception using errcode = '22023',
      message = format('prune: older_than: expected at least 3 days, got %s: breakers, rates and health look back that '
        'far', age);
  end if;
  if most is null or most not between 1 and 100000 then
    raise exception using errcode = '22023',
      message = format('prune: most: expected a whole number from 1 to 100000, got %s', coalesce(most::text, 'null'));
  end if;
  delete from webhooks.problems p
  where p.id = any (array(
    select o.id from webhooks.problems o where o.at < now() - interval '90 days' and o.events is null
    order by o.at limit most));
  if age is null then
    return 0;
  end if;
  delete from public.webhook_deliveries d
  where d.id = any (array(
    select o.id from public.webhook_deliveries o
    where o.created_at < now() - age
      -- Nor what was sent again lately.
      and coalesce(o.last_attempt_at, o.created_at) < now() - interval '3 days'
      -- Nothing that the figures still lack, where somebody keeps figures.
      and o.created_at < coalesce((select p.counted_before from webhooks.metrics_progress p), 'infinity')
      and (o.status = 'delivered' or failed and o.status = 'failed' or pending and o.status = 'pending')
      and (o.event_type <> 'discussion.auto_closed' or o.created_at < now() - interval '91 days')
    order by o.created_at
    limit most
    for update skip locked));
  get diagnostics taken = row_count;
  return taken;
end
$$;

revoke execute on all functions in schema webhooks from public;
