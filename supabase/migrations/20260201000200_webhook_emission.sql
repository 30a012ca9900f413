-- Events by triggers: a change of the application's tables emits its event in the same transaction, with no code in the
-- application. Needs webhook_foundation.
--
-- Triggers run once a statement, and make all deliveries of it in one statement. A trigger that fails leaves a row in
-- webhooks.problems and a warning, never an error for whoever wrote.

do $migration$
begin
  if to_regprocedure('webhooks.place_dispatch_webhook()') is null then
    raise exception using errcode = '55000',
      message = 'webhook_emission: apply 20260201000100_webhook_foundation.sql first';
  end if;
end
$migration$;

alter table webhooks.settings
  add column if not exists duplicate_window interval not null default '1 minute'
    constraint settings_duplicate_window_up_to_a_day check (duplicate_window between '0' and '1 day'),
  add column if not exists close_lookback interval not null default '1 day'
    constraint settings_close_lookback_from_a_minute_to_90_days check (close_lookback between '1 minute' and '90 days');
comment on column webhooks.settings.duplicate_window is
  'For how long a call of dispatch_webhook and a trigger that tell the same are one event.';
comment on column webhooks.settings.close_lookback is 'How old an expiry may be to be announced still.';

create table if not exists webhooks.automatic_events (
  event_type text primary key,
  is_on boolean not null default true
);
comment on table webhooks.automatic_events is 'Events that the database emits; is_on switches each.';
alter table webhooks.automatic_events enable row level security;
insert into webhooks.automatic_events (event_type) values
  ('user.joined_platform'), ('user.joined_community'), ('user.registered_event'), ('user.cancelled_registration'),
  ('user.posted_comment'), ('user.flagged_comment'), ('user.referred_user'), ('discussion.extended'),
  ('discussion.auto_closed')
on conflict do nothing;

-- What was told lately, by whom: so that a trigger and the application's own call of dispatch_webhook make one event. Of
-- no worth after a crash, hence unlogged.
create unlogged table if not exists webhooks.told (
  event_type text not null,
  -- What the event is about: see webhooks.subject_of.
  subject text not null,
  -- The trigger's last change.
  changed_at timestamptz,
  changed_in xid8,
  -- The application's last call that was emitted and that no change has followed yet.
  called_at timestamptz,
  called_in xid8,
  -- Who called; null for whoever is nobody's user, such as a secret key.
  called_by uuid,
  -- A call had told the last change before it happened.
  is_told_by_call boolean not null default false,
  seen_at timestamptz not null,
  primary key (event_type, subject)
);
alter table webhooks.told add column if not exists called_by uuid;
create index if not exists told_seen on webhooks.told (seen_at);
alter table webhooks.told enable row level security;

-- What an event is about, from its data and whose doing it is; null where that cannot be told. Two events of a type with
-- one subject within the window may be the same.
create or replace function webhooks.subject_of(event_type text, data jsonb, actor uuid)
returns text
language sql
immutable
set search_path = ''
as $$
  select lower(case subject_of.event_type
    when 'user.joined_platform' then data ->> 'user_id'
    -- Its data does not say who.
    when 'user.joined_community' then (data ->> 'community_id') || '/' || actor
    when 'user.registered_event' then data ->> 'registration_id'
    when 'user.cancelled_registration' then data ->> 'registration_id'
    when 'user.posted_comment' then data ->> 'comment_id'
    when 'user.flagged_comment' then (data ->> 'comment_id') || '/' || actor
    when 'user.referred_user' then (data ->> 'referred_user_id') || '/' || (data ->> 'referrer_id')
    when 'discussion.extended' then data ->> 'discussion_id'
  end)
$$;

-- Whether an event is switched on and anybody has subscribed to it.
create or replace function webhooks.is_wanted(event_type text)
returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select from webhooks.automatic_events a where a.event_type = is_wanted.event_type and a.is_on
  ) and exists (
    select from public.webhook_configurations c where c.is_active and is_wanted.event_type = any (c.events)
  )
$$;

-- Whether a trigger has told what the application now calls for: in this transaction, or within the window. Remembers the
-- call where not.
create or replace function webhooks.is_told_by_trigger(event_type text, data jsonb, actor uuid)
returns boolean
language plpgsql
set search_path = ''
set lock_timeout = '2s'
as $$
declare
  about text;
  most_age interval;
  is_told boolean;
begin
  about := webhooks.subject_of(event_type, data, coalesce(actor, auth.uid()));
  most_age := (select s.duplicate_window from webhooks.settings s);
  if about is null or not webhooks.is_wanted(event_type) then
    return false;
  end if;
  -- A transaction that tells the same at this moment is waited for: if it is rolled back, this call is the only one.
  insert into webhooks.told as t (event_type, subject, called_at, called_in, called_by, seen_at)
  values (is_told_by_trigger.event_type, about, clock_timestamp(), pg_current_xact_id(), auth.uid(),
    clock_timestamp())
  on conflict on constraint told_pkey do update set
    called_at = case when t.changed_in = excluded.called_in or t.changed_at > excluded.called_at - most_age
      then t.called_at else excluded.called_at end,
    called_in = case when t.changed_in = excluded.called_in or t.changed_at > excluded.called_at - most_age
      then t.called_in else excluded.called_in end,
    called_by = case when t.changed_in = excluded.called_in or t.changed_at > excluded.called_at - most_age
      then t.called_by else excluded.called_by end,
    seen_at = excluded.seen_at
  returning coalesce(t.changed_in = pg_current_xact_id() or t.changed_at > t.seen_at - most_age, false) into is_told;
  return is_told;
exception when others then
  -- Rather twice than never.
  perform webhooks.note_problem('dispatch_webhook', event_type, sqlstate, sqlerrm);
  return false;
end
$$;

-- Emits what triggers have seen, `subjects`, `actors` and `data` one of each an event, but for what a call has told
-- already: one change for one call.
create or replace function webhooks.emit(event_type text, subjects text[], actors uuid[], data jsonb[])
returns void
language plpgsql
set search_path = ''
-- Somebody may hold an endpoint or the queue: whoever writes waits for that no longer, and emit_lost() makes up for it.
set lock_timeout = '2s'
as $$
declare
  called text[];
begin
  if cardinality(subjects) is null then
    return;
  end if;
  called := webhooks.take_calls(event_type, subjects);
  if called is not null then
    select array_agg(e.actor order by e.place), array_agg(e.data order by e.place) into actors, data
    from (
      select u.*, row_number() over (partition by u.subject order by u.place) as nth
      from unnest(emit.subjects, emit.actors, emit.data) with ordinality as u(subject, actor, data, place)
    ) e
    where e.nth > 1 or e.subject is null or e.subject <> all (called);
  end if;
  begin
    perform webhooks.insert_deliveries(event_type, actors, data);
  exception when others then
    -- What the events say is known: webhooks.emit_lost() makes up for them.
    perform webhooks.note_problem('emit', event_type, sqlstate, sqlerrm, (
      select jsonb_agg(jsonb_build_object('actor', e.actor, 'data', e.data) order by e.place)
      from unnest(emit.actors, emit.data) with ordinality as e(actor, data, place)));
  end;
end
$$;

-- Emits the events of up to `most` problems that kept them, the oldest first, and returns how many events there were.
create or replace function webhooks.emit_lost(most integer default 1000)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  p record;
  emitted bigint := 0;
begin
  for p in
    select o.id, o.event_type, o.events from webhooks.problems o where o.events is not null
    order by o.id limit most for update skip locked
  loop
    begin
      perform webhooks.insert_deliveries(p.event_type,
        array(select (e.value ->> 'actor')::uuid from jsonb_array_elements(p.events) with ordinality e order by e.ordinality),
        array(select e.value -> 'data' from jsonb_array_elements(p.events) with ordinality e order by e.ordinality));
      update webhooks.problems o set events = null where o.id = p.id;
      emitted := emitted + jsonb_array_length(p.events);
    exception when others then
      -- One that cannot be emitted still must not keep the others.
      raise warning 'webhooks: emit_lost: problem %: % (%)', p.id, sqlerrm, sqlstate;
    end;
  end loop;
  return emitted;
end
$$;

-- Remembers changes, and returns those of their subjects that a call had told before; null for none.
create or replace function webhooks.take_calls(event_type text, subjects text[])
returns text[]
language plpgsql
set search_path = ''
set lock_timeout = '2s'
as $$
declare
  most_age interval;
  at timestamptz := clock_timestamp();
  called text[];
begin
  most_age := (select s.duplicate_window from webhooks.settings s);
  -- In one order, so that two bulk changes do not wait for each other crosswise.
  with changed as (
    insert into webhooks.told as t (event_type, subject, changed_at, changed_in, seen_at)
    select take_calls.event_type, s.subject, at, pg_current_xact_id(), at
    from (select distinct u.subject from unnest(subjects) as u(subject) where u.subject is not null) s
    order by s.subject
    on conflict on constraint told_pkey do update set
      -- A call of somebody else tells nothing of this change: whoever may call must not be able to take an event away.
      is_told_by_call = coalesce(t.called_in = excluded.changed_in or t.called_at > at - most_age, false)
        and (t.called_by is null or t.called_by = auth.uid()),
      called_at = null, called_in = null, called_by = null,
      changed_at = excluded.changed_at, changed_in = excluded.changed_in, seen_at = excluded.seen_at
    returning t.subject, t.is_told_by_call
  )
  select array_agg(c.subject) filter (where c.is_told_by_call) into called from changed c;

  -- The table stays as small as the window is short: each change takes some away.
  -- Not in a serializable transaction: it would conflict with every other one.
  delete from webhooks.told t
  where current_setting('transaction_isolation') <> 'serializable' and t.ctid = any (array(
    select o.ctid from webhooks.told o where o.seen_at < at - most_age - interval '1 hour'
    order by o.seen_at limit 2 * cardinality(subjects) + 10 for update skip locked));
  return called;
exception when others then
  -- Rather twice than never.
  perform webhooks.note_problem('duplicates', event_type, sqlstate, sqlerrm);
  return null;
end
$$;

-- ---- The triggers' functions. Each says what its event's data are; README, "Emit events".

create or replace function webhooks.on_user_inserted()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  e constant text := 'user.joined_platform';
begin
  if webhooks.is_wanted(e) then
    perform webhooks.emit(e, array_agg(webhooks.subject_of(e, r.data, r.who)), array_agg(r.actor), array_agg(r.data))
    from (
      select n.id as who, coalesce((select auth.uid()), n.id) as actor,
        jsonb_build_object('user_id', n.id, 'email', a.email, 'name', n.name) as data
      from new_rows n left join auth.users a on a.id = n.id
    ) r;
  end if;
  return null;
exception when others then
  perform webhooks.note_problem(tg_name, e, sqlstate, sqlerrm);
  return null;
end
$$;

create or replace function webhooks.on_member_inserted()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  e constant text := 'user.joined_community';
begin
  if webhooks.is_wanted(e) then
    perform webhooks.emit(e, array_agg(webhooks.subject_of(e, r.data, r.who)), array_agg(r.actor), array_agg(r.data))
    from (
      with sizes as (
        -- All members after the statement: of several new ones none is before the other.
        select m.community_id, count(*) as members from public.community_members m
        where m.community_id in (select n.community_id from new_rows n)
        group by m.community_id
      )
      select n.user_id as who, coalesce((select auth.uid()), n.user_id) as actor,
        jsonb_build_object('community_id', n.community_id, 'community_name', c.name, 'community_city', c.city,
          'member_count', s.members) as data
      from new_rows n
      left join public.communities c on c.id = n.community_id
      left join sizes s on s.community_id = n.community_id
    ) r;
  end if;
  return null;
exception when others then
  perform webhooks.note_problem(tg_name, e, sqlstate, sqlerrm);
  return null;
end
$$;

-- Somebody takes part. The status is text: its set of values has changed before.
create or replace function webhooks.is_registered(status text)
returns boolean
language sql
immutable
set search_path = ''
as $$
  select coalesce(status in ('registered', 'success'), false)
$$;

-- There is something to cancel: pending and failed payments never were registrations, and what is cancelled is so once.
create or replace function webhooks.is_cancellable(status text)
returns boolean
language sql
immutable
set search_path = ''
as $$
  select coalesce(status not in ('unregistered', 'pending', 'failed'), true)
$$;

create or replace function webhooks.on_registration_inserted()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  e constant text := 'user.registered_event';
begin
  if webhooks.is_wanted(e) then
    perform webhooks.emit(e, array_agg(webhooks.subject_of(e, r.data, r.who)), array_agg(r.actor), array_agg(r.data))
    from (
      select n.user_id as who, coalesce((select auth.uid()), n.user_id) as actor,
        jsonb_build_object('event_id', n.event_id, 'registration_id', n.id, 'payment_id', n.payment_id,
          'status', n.status::text) as data
      from new_rows n where webhooks.is_registered(n.status::text)
    ) r;
  end if;
  return null;
exception when others then
  perform webhooks.note_problem(tg_name, e, sqlstate, sqlerrm);
  return null;
end
$$;

create or replace function webhooks.on_registration_updated()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  e text;
begin
  begin
    e := 'user.registered_event';
    if webhooks.is_wanted(e) then
      perform webhooks.emit(e, array_agg(webhooks.subject_of(e, r.data, r.who)), array_agg(r.actor), array_agg(r.data))
      from (
        select n.user_id as who, coalesce((select auth.uid()), n.user_id) as actor,
          jsonb_build_object('event_id', n.event_id, 'registration_id', n.id, 'payment_id', n.payment_id,
            'status', n.status::text) as data
        from new_rows n join old_rows o on o.id = n.id
        where webhooks.is_registered(n.status::text) and not webhooks.is_registered(o.status::text)
      ) r;
    end if;
  exception when others then
    perform webhooks.note_problem(tg_name, e, sqlstate, sqlerrm);
  end;
  begin
    e := 'user.cancelled_registration';
    if webhooks.is_wanted(e) then
      perform webhooks.emit(e, array_agg(webhooks.subject_of(e, r.data, r.who)), array_agg(r.actor), array_agg(r.data))
      from (
        select n.user_id as who, coalesce((select auth.uid()), n.user_id) as actor,
          jsonb_build_object('event_id', n.event_id, 'registration_id', n.id) as data
        from new_rows n join old_rows o on o.id = n.id
        where n.status::text = 'unregistered' and webhooks.is_cancellable(o.status::text)
      ) r;
    end if;
  exception when others then
    perform webhooks.note_problem(tg_name, e, sqlstate, sqlerrm);
  end;
  return null;
end
$$;

create or replace function webhooks.on_registration_deleted()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  e constant text := 'user.cancelled_registration';
begin
  if webhooks.is_wanted(e) then
    perform webhooks.emit(e, array_agg(webhooks.subject_of(e, r.data, r.who)), array_agg(r.actor), array_agg(r.data))
    from (
      select o.user_id as who, coalesce((select auth.uid()), o.user_id) as actor,
        jsonb_build_object('event_id', o.event_id, 'registration_id', o.id) as data
      from old_rows o where webhooks.is_cancellable(o.status::text)
    ) r;
  end if;
  return null;
exception when others then
  perform webhooks.note_problem(tg_name, e, sqlstate, sqlerrm);
  return null;
end
$$;

create or replace function webhooks.on_comment_inserted()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  e constant text := 'user.posted_comment';
begin
  if webhooks.is_wanted(e) then
    perform webhooks.emit(e, array_agg(webhooks.subject_of(e, r.data, r.who)), array_agg(r.actor), array_agg(r.data))
    from (
      select n.user_id as who, coalesce((select auth.uid()), n.user_id) as actor,
        jsonb_build_object('discussion_id', n.discussion_id, 'comment_id', n.id, 'comment_text', n.text) as data
      from new_rows n
    ) r;
  end if;
  return null;
exception when others then
  perform webhooks.note_problem(tg_name, e, sqlstate, sqlerrm);
  return null;
end
$$;

create or replace function webhooks.on_flag_inserted()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  e constant text := 'user.flagged_comment';
begin
  if webhooks.is_wanted(e) then
    perform webhooks.emit(e, array_agg(webhooks.subject_of(e, r.data, r.who)), array_agg(r.actor), array_agg(r.data))
    from (
      select n.flagged_by_id as who, coalesce((select auth.uid()), n.flagged_by_id) as actor,
        jsonb_build_object('comment_id', n.comment_id, 'flagged_user_id', n.flagged_user_id, 'reason', n.reason) as data
      from new_rows n
    ) r;
  end if;
  return null;
exception when others then
  perform webhooks.note_problem(tg_name, e, sqlstate, sqlerrm);
  return null;
end
$$;

create or replace function webhooks.on_referral_inserted()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  e constant text := 'user.referred_user';
begin
  if webhooks.is_wanted(e) then
    perform webhooks.emit(e, array_agg(webhooks.subject_of(e, r.data, r.who)), array_agg(r.actor), array_agg(r.data))
    from (
      select n.referred_user_id as who, coalesce((select auth.uid()), n.referred_user_id) as actor,
        jsonb_build_object('referred_user_id', n.referred_user_id, 'referrer_id', n.referrer_id,
          'referral_code', u.referral_code) as data
      from new_rows n left join public.users u on u.id = n.referrer_id
    ) r;
  end if;
  return null;
exception when others then
  perform webhooks.note_problem(tg_name, e, sqlstate, sqlerrm);
  return null;
end
$$;

create or replace function webhooks.on_discussion_updated()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  e constant text := 'discussion.extended';
begin
  if webhooks.is_wanted(e) then
    perform webhooks.emit(e, array_agg(webhooks.subject_of(e, r.data, r.who)), array_agg(r.actor), array_agg(r.data))
    from (
      select n.created_by as who, coalesce((select auth.uid()), n.created_by) as actor,
        jsonb_build_object('discussion_id', n.id, 'new_expires_at', webhooks.iso(n.expires_at)) as data
      from new_rows n join old_rows o on o.id = n.id
      where n.expires_at > o.expires_at
    ) r;
  end if;
  return null;
exception when others then
  perform webhooks.note_problem(tg_name, e, sqlstate, sqlerrm);
  return null;
end
$$;

-- A time as ISO 8601 in UTC, as the functions write it.
create or replace function webhooks.iso(moment timestamptz)
returns text
language sql
stable
set search_path = ''
as $$
  select to_char(iso.moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- Emits discussion.auto_closed once for each expiry within the look-back, as the function close-expired-discussions
-- does; both may run. An expiry is a discussion and its expires_at: the deliveries tell what has been announced.
-- Returns how many it announced; at most `most`, so call it again where it returns that many.
create or replace function webhooks.close_expired_discussions(most integer default 1000)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  e constant text := 'discussion.auto_closed';
  earliest timestamptz := now() - (select s.close_lookback from webhooks.settings s);
  data jsonb[];
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using errcode = '25001',
      message = 'close_expired_discussions: needs the isolation level read committed, to see what other runs announced';
  end if;
  -- Runs that overlap take turns; the functions take the same lock.
  perform pg_advisory_xact_lock(hashtextextended('close-expired-discussions', 0));
  if not webhooks.is_wanted(e) then
    return 0;
  end if;
  with announced as (
    select a.payload -> 'data' ->> 'discussion_id' as id, a.payload -> 'data' ->> 'closed_at' as closed_at
    from public.webhook_deliveries a
    where a.event_type = e and a.created_at > earliest and not a.payload @> '{"test": true}'
  ), expired as (
    select d.id, webhooks.iso(d.expires_at) as closed_at
    from public.discussions d
    where d.expires_at <= now() and d.expires_at > earliest
      and not exists (
        select from announced a where a.id = d.id::text and a.closed_at = webhooks.iso(d.expires_at))
    order by d.expires_at
    limit most
    -- Locked rows are being extended just now: the next run looks at them again.
    for share of d skip locked
  )
  select array_agg(jsonb_build_object('discussion_id', x.id, 'closed_at', x.closed_at)) into data from expired x;
  if data is null then
    return 0;
  end if;
  perform webhooks.insert_deliveries(e, array_fill(null::uuid, array[cardinality(data)]), data);
  return cardinality(data);
end
$$;

-- Puts each trigger where its table has the columns that it reads, and says what it did: run it again after the
-- application's tables have changed.
create or replace function webhooks.install_triggers()
returns table (trigger_name text, table_name text, state text)
language plpgsql
set search_path = ''
as $$
declare
  t record;
  missing text;
begin
  for t in
    select v.* from (values
      ('webhooks_user_inserted', 'users', 'insert', 'on_user_inserted', '{users.id,users.name}'::text[]),
      ('webhooks_member_inserted', 'community_members', 'insert', 'on_member_inserted',
        '{community_members.user_id,community_members.community_id,communities.id,communities.name,communities.city}'),
      ('webhooks_registration_inserted', 'event_registrations', 'insert', 'on_registration_inserted',
        '{event_registrations.id,event_registrations.user_id,event_registrations.event_id,event_registrations.status,
          event_registrations.payment_id}'),
      ('webhooks_registration_updated', 'event_registrations', 'update', 'on_registration_updated',
        '{event_registrations.id,event_registrations.user_id,event_registrations.event_id,event_registrations.status,
          event_registrations.payment_id}'),
      ('webhooks_registration_deleted', 'event_registrations', 'delete', 'on_registration_deleted',
        '{event_registrations.id,event_registrations.user_id,event_registrations.event_id,event_registrations.status}'),
      ('webhooks_comment_inserted', 'discussion_comments', 'insert', 'on_comment_inserted',
        '{discussion_comments.id,discussion_comments.discussion_id,discussion_comments.user_id,discussion_comments.text}'),
      ('webhooks_flag_inserted', 'flags', 'insert', 'on_flag_inserted',
        '{flags.flagged_user_id,flags.flagged_by_id,flags.comment_id,flags.reason}'),
      ('webhooks_referral_inserted', 'referrals', 'insert', 'on_referral_inserted',
        '{referrals.referrer_id,referrals.referred_user_id,users.id,users.referral_code}'),
      ('webhooks_discussion_updated', 'discussions', 'update', 'on_discussion_updated',
        '{discussions.id,discussions.created_by,discussions.expires_at}')
    ) as v(name, relation, operation, handler, columns)
  loop
    trigger_name := t.name;
    table_name := 'public.' || t.relation;
    select string_agg(c.name, ', ' order by c.name) into missing
    from unnest(t.columns) as c(name)
    where not exists (
      select from pg_attribute a
      join pg_class r on r.oid = a.attrelid and r.relkind in ('r', 'p')
      where r.oid = to_regclass('public.' || quote_ident(split_part(c.name, '.', 1)))
        and a.attname = split_part(c.name, '.', 2) and not a.attisdropped);
    if missing is null then
      execute format(
        'create or replace trigger %I after %s on public.%I referencing %s '
          'for each statement execute function webhooks.%I()',
        t.name, t.operation, t.relation,
        case t.operation
          when 'insert' then 'new table as new_rows'
          when 'delete' then 'old table as old_rows'
          else 'old table as old_rows new table as new_rows'
        end, t.handler);
      state := 'installed';
    else
      -- What was there before its columns went would only fail.
      if to_regclass('public.' || quote_ident(t.relation)) is not null then
        execute format('drop trigger if exists %I on public.%I', t.name, t.relation);
      end if;
      state := 'left out: there is no ' || missing;
    end if;
    return next;
  end loop;
end
$$;

revoke execute on all functions in schema webhooks from public;

select webhooks.place_dispatch_webhook();

do $migration$
declare
  t record;
begin
  for t in select * from webhooks.install_triggers() loop
    if t.state <> 'installed' then
      raise notice 'webhook_emission: trigger % on %: %', t.trigger_name, t.table_name, t.state;
    end if;
  end loop;
end
$migration$;
