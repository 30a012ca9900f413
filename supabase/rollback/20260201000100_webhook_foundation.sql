-- Takes webhook_foundation back, after those that stand on it.

do $rollback$
begin
  if to_regclass('webhooks.automatic_events') is not null or to_regclass('webhooks.user_events') is not null
    or to_regclass('webhooks.wakeup') is not null or to_regclass('webhooks.hourly_metrics') is not null
    or to_regprocedure('webhooks.read_target(text)') is not null then
    raise exception using errcode = '55000',
      message = 'webhook_foundation: other migrations still stand on it',
      hint = 'Take back webhook_protocols, webhook_operations, webhook_wakeup, webhook_hardening and webhook_emission.';
  end if;
  if to_regclass('webhooks.problems') is not null then
    if exists (select from webhooks.problems o where o.events is not null) then
      raise exception using errcode = '55000',
        message = 'webhook_foundation: webhooks.problems has events that were not emitted, which would be lost',
        hint = 'update webhooks.problems set events = null if you mean it.';
    end if;
  end if;
end
$rollback$;

drop function if exists webhooks.place_dispatch_webhook();
drop function if exists webhooks.dispatch(text, jsonb, uuid);
drop function if exists webhooks.insert_deliveries(text, uuid[], jsonb[]);
drop function if exists webhooks.note_problem(text, text, text, text, jsonb);
drop table if exists webhooks.replaced_functions;
drop table if exists webhooks.problems;
drop table if exists webhooks.settings;
drop schema if exists webhooks;
