-- The webhook tables and dispatch_webhook as production has them, for a project that does not have them yet.
-- What is there already is left alone, however it looks. What this makes has a comment, by which the way back knows it.

do $migration$
begin
  if to_regclass('auth.users') is null or to_regclass('public.users') is null then
    raise exception using errcode = '55000',
      message = 'webhook_baseline: needs the tables auth.users and public.users (id, role)',
      hint = 'Apply it to a Supabase project, after the application''s own migrations.';
  end if;

  if to_regclass('public.webhook_configurations') is null then
    create table public.webhook_configurations (
      id uuid primary key default gen_random_uuid(),
      name text not null,
      url text not null,
      events text[] not null,
      secret_key text,
      is_active boolean not null default true,
      created_by uuid not null references auth.users (id),
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    );
    create index webhook_configurations_events on public.webhook_configurations using gin (events);
    create index webhook_configurations_active on public.webhook_configurations (is_active) where is_active;
    alter table public.webhook_configurations enable row level security;
    create policy "admins only" on public.webhook_configurations
      using (exists (select from public.users u where u.id = auth.uid() and u.role = 'admin'));
    revoke all on public.webhook_configurations from anon, authenticated, service_role;
    grant select on public.webhook_configurations to anon, authenticated;
    comment on table public.webhook_configurations is 'Made by webhook_baseline.';
  end if;

  if to_regclass('public.webhook_deliveries') is null then
    create table public.webhook_deliveries (
      id uuid primary key default gen_random_uuid(),
      webhook_config_id uuid not null references public.webhook_configurations (id),
      event_type text not null,
      payload jsonb not null,
      status text not null default 'pending',
      attempts integer not null default 0,
      last_attempt_at timestamptz,
      response_status integer,
      response_body text,
      error_message text,
      created_at timestamptz not null default now()
    );
    create index webhook_deliveries_config on public.webhook_deliveries (webhook_config_id);
    create index webhook_deliveries_status on public.webhook_deliveries (status);
    create index webhook_deliveries_created on public.webhook_deliveries (created_at desc);
    alter table public.webhook_deliveries enable row level security;
    create policy "admins only" on public.webhook_deliveries
      using (exists (select from public.users u where u.id = auth.uid() and u.role = 'admin'));
    revoke all on public.webhook_deliveries from anon, authenticated, service_role;
    grant select on public.webhook_deliveries to anon, authenticated;
    comment on table public.webhook_deliveries is 'Made by webhook_baseline.';
  end if;

  if to_regprocedure('public.dispatch_webhook(text, jsonb, uuid)') is null then
    create function public.dispatch_webhook(event_type text, event_data jsonb, actor_user_id uuid default null)
    returns void
    language plpgsql
    security definer
    as $$
declare
  envelope jsonb := jsonb_build_object(
    'event', dispatch_webhook.event_type,
    'timestamp', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'actor_user_id', dispatch_webhook.actor_user_id,
    'data', dispatch_webhook.event_data,
    'request_id', gen_random_uuid());
begin
  insert into public.webhook_deliveries (webhook_config_id, event_type, payload)
  select c.id, dispatch_webhook.event_type, envelope
  from public.webhook_configurations c
  where c.is_active and dispatch_webhook.event_type = any (c.events);
end
$$;
    -- With its body's digest: a function that somebody puts in its place keeps the comment.
    execute format('comment on function public.dispatch_webhook(text, jsonb, uuid) is %L', 'Made by webhook_baseline: '
      || (select md5(p.prosrc) from pg_proc p where p.oid = 'public.dispatch_webhook(text, jsonb, uuid)'::regprocedure));
  end if;
end
$migration$;
