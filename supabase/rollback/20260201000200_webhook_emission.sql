-- Takes webhook_emission back. Events that triggers have emitted stay in the queue.

do $rollback$
declare
  t record;
begin
  if to_regclass('webhooks.problems') is not null then
    if exists (select from webhooks.problems o where o.events is not null) then
      raise exception using errcode = '55000',
        message = 'webhook_emission: webhooks.problems has events that were not emitted, which would be lost',
        hint = 'select webhooks.emit_lost(), or update webhooks.problems set events = null if you mean it.';
    end if;
  end if;
  for t in
    select g.tgname, g.tgrelid::regclass as relation
    from pg_trigger g
    join pg_proc p on p.oid = g.tgfoid
    where not g.tgisinternal and p.pronamespace = to_regnamespace('webhooks') and p.proname in (
        'on_user_inserted', 'on_member_inserted', 'on_registration_inserted', 'on_registration_updated',
        'on_registration_deleted', 'on_comment_inserted', 'on_flag_inserted', 'on_referral_inserted', 'on_discussion_updated')
  loop
    execute format('drop trigger %I on %s', t.tgname, t.relation);
  end loop;
  drop table if exists webhooks.automatic_events;
  -- Without the table's name this puts the guard of webhook_hardening there, or the application's own function.
  if to_regprocedure('webhooks.place_dispatch_webhook()') is not null then
    perform webhooks.place_dispatch_webhook();
    alter table webhooks.settings drop column if exists duplicate_window, drop column if exists close_lookback;
  end if;
  -- Its job would only fail.
  if to_regprocedure('webhooks.missing_for_wakeup()') is not null then
    if not 'pg_cron' = any (webhooks.missing_for_wakeup()) then
      perform cron.unschedule(j.jobname) from cron.job j where j.jobname = 'webhooks-close-discussions';
    end if;
  end if;
end
$rollback$;

drop function if exists webhooks.install_triggers();
drop function if exists webhooks.close_expired_discussions(integer);
drop function if exists webhooks.on_discussion_updated();
drop function if exists webhooks.on_referral_inserted();
drop function if exists webhooks.on_flag_inserted();
drop function if exists webhooks.on_comment_inserted();
drop function if exists webhooks.on_registration_deleted();
drop function if exists webhooks.on_registration_updated();
drop function if exists webhooks.on_registration_inserted();
drop function if exists webhooks.on_member_inserted();
drop function if exists webhooks.on_user_inserted();
drop function if exists webhooks.is_cancellable(text);
drop function if exists webhooks.is_registered(text);
drop function if exists webhooks.iso(timestamptz);
drop function if exists webhooks.emit_lost(integer);
drop function if exists webhooks.emit(text, text[], uuid[], jsonb[]);
drop function if exists webhooks.take_calls(text, text[]);
drop function if exists webhooks.is_told_by_trigger(text, jsonb, uuid);
drop function if exists webhooks.is_wanted(text);
drop function if exists webhooks.subject_of(text, jsonb, uuid);
drop table if exists webhooks.told;
