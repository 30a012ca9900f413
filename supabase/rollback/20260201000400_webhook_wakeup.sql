-- Takes webhook_wakeup back: no wake-ups, no jobs. The secrets webhooks_dispatcher_url and webhooks_dispatcher_key stay in
-- Vault: delete from vault.secrets where name like 'webhooks\_dispatcher\_%'.

do $rollback$
begin
  if to_regprocedure('webhooks.disable_wakeup()') is not null then
    perform webhooks.disable_wakeup();
  end if;
  if to_regclass('webhooks.settings') is not null then
    alter table webhooks.settings drop column if exists wakeup_interval, drop column if exists wakeup_most_running;
  end if;
end
$rollback$;

drop trigger if exists webhooks_deliveries_inserted on public.webhook_deliveries;
drop table if exists webhooks.wakeup_calls;
drop table if exists webhooks.wakeup;
drop function if exists webhooks.schedule_jobs();
drop function if exists webhooks.store_secret(text, text, text);
drop function if exists webhooks.wakeup_state();
drop function if exists webhooks.disable_wakeup();
drop function if exists webhooks.enable_wakeup(text, text);
drop function if exists webhooks.missing_for_wakeup();
drop function if exists webhooks.on_wakeup_called();
drop function if exists webhooks.running_calls();
drop function if exists webhooks.on_deliveries_inserted();
drop function if exists webhooks.wake();
drop function if exists webhooks.call_dispatcher();
