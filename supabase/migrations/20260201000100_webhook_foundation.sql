-- What the migrations after this one stand on: the private schema webhooks, its settings, its log of problems, and
-- the one place that makes deliveries of events. It changes nothing that exists.
--
-- The schema is for the database's owner: nobody else has a right in it but for what webhook_hardening grants, and
-- PostgREST must not expose it.

do $migration$
begin
  if to_regnamespace('webhooks') is not null
    and coalesce(obj_description(to_regnamespace('webhooks'), 'pg_namespace'), '') not like 'Webhooks: triggers, settings and tools.%' then
    raise exception using errcode = '55000',
      message = 'webhook_foundation: there is a schema webhooks already, which is not of these migrations',
      hint = 'Rename it: alter schema webhooks rename to ….';
  end if;
end
$migration$;

create schema if not exists webhooks;
comment on schema webhooks is 'Webhooks: triggers, settings and tools. Private: do not expose it by the API.';

-- One row. Each migration adds the columns that it reads.
create table if not exists webhooks.settings (
  is_only_row boolean primary key default true,
  constraint settings_has_one_row check (is_only_row)
);
alter table webhooks.settings enable row level security;
insert into webhooks.settings default values on conflict do nothing;

-- What went wrong in a trigger, which must never break the write that fired it. Only ever added to: a counter's row
-- would make writers wait for each other.
create table if not exists webhooks.problems (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  source text not null,
  event_type text,
  sql_state text not null,
  message text not null,
  -- Events that can still be emitted: [{"actor", "data"}].
  events jsonb
);
comment on table webhooks.problems is
  'Events that were not emitted and wake-ups that failed: in the transaction that it happened in.';
create index if not exists problems_at on webhooks.problems (at);
alter table webhooks.problems enable row level security;

-- Functions of the application that these migrations replace, as they were.
create table if not exists webhooks.replaced_functions (
  name text primary key,
  definition text not null
);
alter table webhooks.replaced_functions enable row level security;

create or replace function webhooks.note_problem(
  source text, event_type text, sql_state text, message text, events jsonb default null
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  raise warning 'webhooks: %: % (%)', concat_ws(': ', source, event_type), message, sql_state;
  insert into webhooks.problems (source, event_type, sql_state, message, events)
  values (note_problem.source, note_problem.event_type, note_problem.sql_state, left(note_problem.message, 500),
    note_problem.events);
exception when others then
  raise warning 'webhooks: the problem could not be recorded: %', sqlerrm;
end
$$;

-- Makes deliveries of events of one type, one statement for all events and all subscribed endpoints. The envelope is
-- the one of dispatch_webhook. Returns how many deliveries it made.
create or replace function webhooks.insert_deliveries(event_type text, actors uuid[], data jsonb[])
returns bigint
language sql
set search_path = ''
as $$
  with events as materialized (
    select e.place, jsonb_build_object(
      'event', insert_deliveries.event_type,
      'timestamp', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'actor_user_id', e.actor,
      'data', e.data,
      'request_id', gen_random_uuid()) as envelope
    from unnest(insert_deliveries.actors, insert_deliveries.data) with ordinality as e(actor, data, place)
  ), made as (
    insert into public.webhook_deliveries (webhook_config_id, event_type, payload)
    select c.id, insert_deliveries.event_type, e.envelope
    from events e
    cross join public.webhook_configurations c
    where c.is_active and insert_deliveries.event_type = any (c.events)
    order by e.place
    returning 1
  )
  select count(*) from made
$$;

-- Emits one event that the application calls for. With webhook_emission, what a trigger has told already is not told again.
create or replace function webhooks.dispatch(event_type text, event_data jsonb, actor_user_id uuid default null)
returns void
language plpgsql
security definer
set search_path = ''
as $$
begin
  if to_regprocedure('webhooks.is_told_by_trigger(text, jsonb, uuid)') is not null then
    if webhooks.is_told_by_trigger(dispatch.event_type, dispatch.event_data, dispatch.actor_user_id) then
      return;
    end if;
  end if;
  perform webhooks.insert_deliveries(dispatch.event_type, array[dispatch.actor_user_id], array[dispatch.event_data]);
end
$$;

-- Puts the public.dispatch_webhook in place that fits the migrations that are there: the guard of webhook_hardening, a
-- door to webhooks.dispatch for webhook_emission, or the application's own as it was before. Owner, grants and
-- identity of the function stay.
create or replace function webhooks.place_dispatch_webhook()
returns void
language plpgsql
set search_path = ''
as $place$
declare
  current regprocedure := to_regprocedure('public.dispatch_webhook(text, jsonb, uuid)');
  -- What the bodies of ours say of themselves.
  own constant text := 'of the webhook migrations';
begin
  if current is null then
    raise exception using errcode = '55000',
      message = 'public.dispatch_webhook(text, jsonb, uuid) is missing',
      hint = 'Apply 20260201000000_webhook_baseline.sql first.';
  end if;
  if position(own in pg_get_functiondef(current)) = 0 then
    -- The application's own, perhaps a newer one than was kept.
    insert into webhooks.replaced_functions (name, definition)
    values ('public.dispatch_webhook', pg_get_functiondef(current))
    on conflict (name) do update set definition = excluded.definition;
  end if;

  if to_regclass('webhooks.user_events') is not null then
    -- As the caller: what the caller may do decides.
    create or replace function public.dispatch_webhook(event_type text, event_data jsonb, actor_user_id uuid default null)
    returns void
    language plpgsql
    security invoker
    set search_path = ''
    as $$
begin
  -- A door of the webhook migrations.
  if has_schema_privilege('webhooks', 'usage') then
    if has_function_privilege('webhooks.dispatch(text, jsonb, uuid)', 'execute') then
      perform webhooks.dispatch(event_type, event_data, actor_user_id);
      return;
    end if;
    if has_function_privilege('webhooks.dispatch_as_user(text, jsonb, uuid)', 'execute') then
      perform webhooks.dispatch_as_user(event_type, event_data, actor_user_id);
      return;
    end if;
  end if;
  raise exception using errcode = '42501',
    message = format('dispatch_webhook: %s may not emit events; sign in, or call it with a secret key', current_user);
end
$$;
  elsif to_regclass('webhooks.automatic_events') is not null then
    create or replace function public.dispatch_webhook(event_type text, event_data jsonb, actor_user_id uuid default null)
    returns void
    language plpgsql
    security definer
    set search_path = ''
    as $$
begin
  -- A door of the webhook migrations.
  perform webhooks.dispatch(event_type, event_data, actor_user_id);
end
$$;
  elsif exists (select from webhooks.replaced_functions r where r.name = 'public.dispatch_webhook') then
    execute (select r.definition from webhooks.replaced_functions r where r.name = 'public.dispatch_webhook');
    delete from webhooks.replaced_functions r where r.name = 'public.dispatch_webhook';
  end if;
end
$place$;

revoke execute on all functions in schema webhooks from public;
