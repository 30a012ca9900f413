-- Who may emit what: without this, any signed-in browser can emit any event for anybody through the RPC dispatch_webhook.
-- Needs webhook_foundation; works with and without webhook_emission.
--
-- anon: nothing. authenticated: the event types in webhooks.user_events, for itself. service_role and the database's
-- owner, so also functions of the application that run as their owner: everything.

do $migration$
begin
  if to_regprocedure('webhooks.place_dispatch_webhook()') is null then
    raise exception using errcode = '55000',
      message = 'webhook_hardening: apply 20260201000100_webhook_foundation.sql first';
  end if;
end
$migration$;

do $migration$
begin
  -- What the owner has closed since stays closed.
  if to_regclass('webhooks.user_events') is null then
    create table webhooks.user_events (
      event_type text primary key,
      is_for_admins boolean not null default false
    );
    -- Those that pages emit. Sign-ups are told by the function that sends the welcome mail, expiries by
    -- close-expired-discussions.
    insert into webhooks.user_events (event_type, is_for_admins) values
      ('user.joined_community', false), ('user.registered_event', false), ('user.cancelled_registration', false),
      ('user.posted_comment', false), ('user.flagged_comment', false), ('user.referred_user', false),
      ('discussion.extended', false), ('webhook.test', true);
  end if;
end
$migration$;
comment on table webhooks.user_events is 'Event types that signed-in users may emit by dispatch_webhook, for themselves.';
alter table webhooks.user_events enable row level security;

create or replace function webhooks.dispatch_as_user(event_type text, event_data jsonb, actor_user_id uuid default null)
returns void
language plpgsql
security definer
set search_path = ''
as $$
declare
  caller uuid := auth.uid();
  wrong_key text;
begin
  if caller is null then
    raise exception using errcode = '42501',
      message = 'dispatch_webhook: nobody is signed in; sign in, or call it with a secret key';
  end if;
  if not exists (
    select from webhooks.user_events e
    where e.event_type = dispatch_as_user.event_type
      and (not e.is_for_admins or exists (select from public.users u where u.id = caller and u.role::text = 'admin'))
  ) then
    raise exception using errcode = '42501',
      message = format('dispatch_webhook: event_type %s is not open to this user; emit it with a secret key, or let the '
        'database''s owner add it to webhooks.user_events', to_json(left(dispatch_as_user.event_type, 64)));
  end if;
  if actor_user_id <> caller then
    raise exception using errcode = '42501',
      message = 'dispatch_webhook: actor_user_id is somebody else; leave it out or send the signed-in user''s id';
  end if;
  -- Keys that name who did it.
  select k.key into wrong_key
  from (values ('user_id', true), ('actor_user_id', true),
    ('referred_user_id', dispatch_as_user.event_type = 'user.referred_user')) as k(key, names_actor)
  where k.names_actor and lower(event_data ->> k.key) <> caller::text
  limit 1;
  if wrong_key is not null then
    raise exception using errcode = '42501',
      message = format('dispatch_webhook: event_data.%s is somebody else; send the signed-in user''s id', wrong_key);
  end if;
  -- Whoever calls is who did it, said or not.
  perform webhooks.dispatch(dispatch_as_user.event_type, event_data, caller);
end
$$;

revoke execute on all functions in schema webhooks from public;
grant usage on schema webhooks to authenticated, service_role;
grant execute on function webhooks.dispatch_as_user(text, jsonb, uuid) to authenticated;
grant execute on function webhooks.dispatch(text, jsonb, uuid) to service_role;

select webhooks.place_dispatch_webhook();

-- Other functions of this name would be a way around.
do $migration$
declare
  other regprocedure;
begin
  for other in
    select p.oid::regprocedure from pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.proname = 'dispatch_webhook'
      and p.oid <> 'public.dispatch_webhook(text, jsonb, uuid)'::regprocedure
      and (has_function_privilege('anon', p.oid, 'execute') or has_function_privilege('authenticated', p.oid, 'execute'))
  loop
    raise warning 'webhook_hardening: % is open still', other
      using hint = format('revoke execute on function %s from public, anon, authenticated', other);
  end loop;
end
$migration$;
