-- Delivery within a second: new deliveries wake the dispatcher through pg_net, and pg_cron calls it every 30 seconds in any
-- case. Needs webhook_foundation. Nothing happens before webhooks.enable_wakeup() is called, so it installs without
-- pg_net, Vault and pg_cron.
--
-- URL and key are read from Vault when a call is made; they stand in no function, no trigger and no job.

do $migration$
begin
  if to_regprocedure('webhooks.note_problem(text, text, text, text, jsonb)') is null then
    raise exception using errcode = '55000',
      message = 'webhook_wakeup: apply 20260201000100_webhook_foundation.sql first';
  end if;
end
$migration$;

alter table webhooks.settings
  -- Shorter than the way to the dispatcher and from there to a receiver: it looks once more when it has delivered.
  add column if not exists wakeup_interval interval not null default '50 ms'
    constraint settings_wakeup_interval_up_to_a_minute check (wakeup_interval between '0' and '1 minute'),
  add column if not exists wakeup_most_running integer not null default 4
    constraint settings_wakeup_most_running_from_1_to_100 check (wakeup_most_running between 1 and 100);
comment on column webhooks.settings.wakeup_interval is
  'A call of the dispatcher stands for all deliveries that are committed within this time after it.';
comment on column webhooks.settings.wakeup_most_running is
  'How many calls may be without an answer at once: those that run look for new deliveries themselves.';

-- One row: whether wake-ups are on, and the last one.
create table if not exists webhooks.wakeup (
  is_only_row boolean primary key default true,
  is_on boolean not null default false,
  calls bigint not null default 0,
  last_call_at timestamptz,
  -- pg_net's numbers of the last calls, by which net._http_response has their answers, and when they were made.
  requests bigint[] not null default '{}',
  requested_at timestamptz[] not null default '{}',
  constraint wakeup_has_one_row check (is_only_row)
);
alter table webhooks.wakeup enable row level security;
insert into webhooks.wakeup default values on conflict do nothing;

-- A row stands for a transaction that has made deliveries, and is gone when it commits.
create table if not exists webhooks.wakeup_calls (
  id bigint generated always as identity primary key
);
alter table webhooks.wakeup_calls enable row level security;

-- Calls the dispatcher: asynchronously, when this transaction commits. Returns pg_net's number of the request.
create or replace function webhooks.call_dispatcher()
returns bigint
language plpgsql
security definer
set search_path = ''
as $$
declare
  url text;
  key text;
  request bigint;
begin
  select max(s.decrypted_secret) filter (where s.name = 'webhooks_dispatcher_url'),
    max(s.decrypted_secret) filter (where s.name = 'webhooks_dispatcher_key')
  into url, key
  from vault.decrypted_secrets s
  where s.name in ('webhooks_dispatcher_url', 'webhooks_dispatcher_key');
  if url is null or key is null then
    raise exception using errcode = '55000',
      message = 'Vault has no webhooks_dispatcher_url or no webhooks_dispatcher_key',
      hint = 'select webhooks.enable_wakeup(url, key)';
  end if;
  request := net.http_post(
    url := url,
    body := '{}'::jsonb,
    -- The keys from before sb_secret_… are JWTs and travel as a bearer token.
    headers := jsonb_build_object('Content-Type', 'application/json') || case
      when key like 'eyJ%' then jsonb_build_object('Authorization', 'Bearer ' || key)
      else jsonb_build_object('apikey', key)
    end,
    -- A call delivers for up to 50 seconds.
    timeout_milliseconds := 60000);
  begin
    update webhooks.wakeup w
    set calls = w.calls + 1, last_call_at = clock_timestamp(),
      requests = (request || w.requests)[:100], requested_at = (clock_timestamp() || w.requested_at)[:100]
    -- Whoever holds the row is not waited for: the call is made, and not counted.
    from (select r.is_only_row from webhooks.wakeup r for update skip locked) free
    where w.is_only_row = free.is_only_row;
  exception when serialization_failure then
    -- The stricter isolation levels do not see a call that somebody else has made meanwhile.
    null;
  end;
  return request;
end
$$;

-- Remembers that this transaction wants a call, once.
create or replace function webhooks.wake()
returns void
language plpgsql
security definer
set search_path = ''
as $$
begin
  if (select w.is_on from webhooks.wakeup w)
    and current_setting('webhooks.wakes_in', true) is distinct from pg_current_xact_id()::text then
    insert into webhooks.wakeup_calls default values;
    -- For this transaction; a savepoint that is rolled back takes it back, too.
    perform set_config('webhooks.wakes_in', pg_current_xact_id()::text, true);
  end if;
end
$$;

create or replace function webhooks.on_deliveries_inserted()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  -- The test tool's rows are under way already.
  if exists (select from new_rows n where n.status = 'pending' and n.attempts = 0) then
    perform webhooks.wake();
  end if;
  return null;
exception when others then
  perform webhooks.note_problem(tg_name, null, sqlstate, sqlerrm);
  return null;
end
$$;

-- How many calls of the last minute, which is how long a call may take, have no answer yet.
create or replace function webhooks.running_calls()
returns integer
language plpgsql
set search_path = ''
as $$
begin
  if not coalesce(has_table_privilege(to_regclass('net._http_response'), 'select'), false) then
    return 0;
  end if;
  return (
    select count(*) from webhooks.wakeup w cross join lateral unnest(w.requests, w.requested_at) as r(id, at)
    where r.at > clock_timestamp() - interval '60 s' and not exists (
      select from net._http_response a where a.created > now() - interval '2 minutes' and a.id = r.id));
end
$$;

-- When a transaction commits, so that a call that is left out is left out for no longer than a moment: calls the
-- dispatcher, unless somebody does so just now or enough are running. Waits for nobody.
create or replace function webhooks.on_wakeup_called()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  begin
    if pg_try_advisory_xact_lock(hashtextextended('webhooks-wakeup', 0))
      and not exists (
        select from webhooks.wakeup w cross join webhooks.settings s
        where w.last_call_at > clock_timestamp() - s.wakeup_interval
          or webhooks.running_calls() >= s.wakeup_most_running) then
      perform webhooks.call_dispatcher();
    end if;
  exception when others then
    perform webhooks.note_problem(tg_name, null, sqlstate, sqlerrm);
  end;
  delete from webhooks.wakeup_calls c where c.id = new.id;
  return null;
exception when others then
  perform webhooks.note_problem(tg_name, null, sqlstate, sqlerrm);
  return null;
end
$$;

create or replace trigger webhooks_deliveries_inserted
after insert on public.webhook_deliveries
referencing new table as new_rows
for each statement execute function webhooks.on_deliveries_inserted();

drop trigger if exists webhooks_wakeup_called on webhooks.wakeup_calls;
create constraint trigger webhooks_wakeup_called
after insert on webhooks.wakeup_calls
deferrable initially deferred
for each row execute function webhooks.on_wakeup_called();

-- Turns wake-ups on. `url` is the dispatcher's, https://PROJECT.supabase.co/functions/v1/webhook-dispatcher, and `key` a
-- secret key (sb_secret_…) or the service role key; left out, they are what Vault has under webhooks_dispatcher_url and
-- webhooks_dispatcher_key. Run it again to change them. Without pg_cron there are wake-ups and no safety net: something
-- else must call the dispatcher for what is to be tried again.
create or replace function webhooks.enable_wakeup(url text default null, key text default null)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  missing text[] := webhooks.missing_for_wakeup();
  is_stored boolean;
  place constant text := 'https://PROJECT.supabase.co/functions/v1/webhook-dispatcher';
begin
  if array_length(array_remove(missing, 'pg_cron'), 1) > 0 then
    raise exception using errcode = '55000',
      message = format('enable_wakeup: missing: %s', array_to_string(missing, ', ')),
      hint = 'Dashboard: Database, Extensions; or: create extension pg_net; create extension supabase_vault cascade; '
        'create extension pg_cron;';
  end if;
  if url is not null and url !~ '^https?://[^/@[:space:]]+/[^@[:space:]]*$' then
    raise exception using errcode = '22023',
      message = format('enable_wakeup: url is no URL of a function; expected one like %s', place);
  end if;
  if key is not null and key !~ '^[[:graph:]]{20,}$' then
    raise exception using errcode = '22023',
      message = 'enable_wakeup: key is no key; expected a secret key (sb_secret_…) or the service role key';
  end if;
  if url is not null then
    perform webhooks.store_secret('webhooks_dispatcher_url', url, 'The webhook dispatcher that new deliveries wake.');
  end if;
  if key is not null then
    perform webhooks.store_secret('webhooks_dispatcher_key', key, 'The key that wake-ups present to the dispatcher.');
  end if;
  select count(*) = 2 into is_stored from vault.decrypted_secrets s
  where s.name in ('webhooks_dispatcher_url', 'webhooks_dispatcher_key');
  if not is_stored then
    raise exception using errcode = '55000',
      message = 'enable_wakeup: Vault has no webhooks_dispatcher_url or no webhooks_dispatcher_key',
      hint = format('select webhooks.enable_wakeup(''%s'', ''sb_secret_…'')', place);
  end if;
  update webhooks.wakeup set is_on = true;
  if 'pg_cron' = any (missing) then
    raise warning 'enable_wakeup: pg_cron is missing: nothing calls the dispatcher for what is to be tried again'
      using hint = 'create extension pg_cron, then run enable_wakeup() again';
  else
    perform webhooks.schedule_jobs();
  end if;
  return webhooks.wakeup_state();
end
$$;

-- Turns wake-ups and jobs off. The secrets stay in Vault.
create or replace function webhooks.disable_wakeup()
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  update webhooks.wakeup set is_on = false;
  if not 'pg_cron' = any (webhooks.missing_for_wakeup()) then
    perform cron.unschedule(j.jobname) from cron.job j where j.jobname in ('webhooks-dispatcher', 'webhooks-close-discussions', 'webhooks-metrics', 'webhooks-prune');
  end if;
  return webhooks.wakeup_state();
end
$$;

-- How wake-ups fare. Shows no secret.
create or replace function webhooks.wakeup_state()
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  state jsonb;
  answer jsonb;
  jobs jsonb := '[]';
  missing text[] := webhooks.missing_for_wakeup();
begin
  select jsonb_build_object('is_on', w.is_on, 'calls', w.calls, 'last_call_at', w.last_call_at) into state
  from webhooks.wakeup w;
  -- pg_net forgets answers after some hours.
  if to_regclass('net._http_response') is not null then
    select jsonb_build_object('status', r.status_code, 'timed_out', r.timed_out, 'error', r.error_msg) into answer
    from net._http_response r join webhooks.wakeup w on w.requests[1] = r.id;
  end if;
  if not 'pg_cron' = any (missing) then
    select coalesce(jsonb_agg(jsonb_build_object('name', j.jobname, 'schedule', j.schedule) order by j.jobname), '[]')
    into jobs
    from cron.job j where j.jobname in ('webhooks-dispatcher', 'webhooks-close-discussions', 'webhooks-metrics', 'webhooks-prune');
  end if;
  return state || jsonb_build_object('last_answer', answer, 'jobs', jobs, 'missing', to_jsonb(missing));
end
$$;

-- The extensions that are not there.
create or replace function webhooks.missing_for_wakeup()
returns text[]
language sql
stable
set search_path = ''
as $$
  select array_remove(array[
    case when to_regprocedure('net.http_post(text, jsonb, jsonb, jsonb, integer)') is null then 'pg_net' end,
    case when to_regclass('vault.decrypted_secrets') is null then 'supabase_vault' end,
    -- Before pg_cron 1.5 a job's name was a name.
    case when coalesce(to_regprocedure('cron.schedule(text, text, text)'),
      to_regprocedure('cron.schedule(name, text, text)')) is null then 'pg_cron' end
  ], null)
$$;

create or replace function webhooks.store_secret(name text, secret text, description text)
returns void
language plpgsql
set search_path = ''
as $$
declare
  known uuid := (select s.id from vault.decrypted_secrets s where s.name = store_secret.name);
begin
  if known is null then
    perform vault.create_secret(secret, name, description);
  else
    perform vault.update_secret(known, secret, name, description);
  end if;
end
$$;

-- The jobs that the migrations which are there have work for.
create or replace function webhooks.schedule_jobs()
returns void
language plpgsql
set search_path = ''
as $$
begin
  begin
    perform cron.schedule('webhooks-dispatcher', '30 seconds', 'select webhooks.call_dispatcher()');
  exception when others then
    -- pg_cron before 1.5 knows no seconds.
    perform cron.schedule('webhooks-dispatcher', '* * * * *', 'select webhooks.call_dispatcher()');
  end;
  if to_regprocedure('webhooks.close_expired_discussions(integer)') is not null then
    perform cron.schedule('webhooks-close-discussions', '0 * * * *', 'select webhooks.close_expired_discussions()');
  end if;
  if to_regprocedure('webhooks.refresh_metrics(timestamptz, integer)') is not null then
    perform cron.schedule('webhooks-metrics', '5 * * * *', 'select webhooks.refresh_metrics()');
  end if;
  if to_regprocedure('webhooks.prune(interval, integer, boolean, boolean)') is not null then
    perform cron.schedule('webhooks-prune', '*/10 * * * *', 'select webhooks.prune()');
  end if;
end
$$;

revoke execute on all functions in schema webhooks from public;
