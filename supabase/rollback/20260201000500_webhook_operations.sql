-- Takes webhook_operations back, with the figures it has kept. Rows that it has taken away are gone.

drop function if exists webhooks.prune(interval, integer, boolean, boolean);
drop function if exists webhooks.refresh_metrics(timestamptz, integer);
drop function if exists webhooks.replay_webhooks(uuid[], uuid, text, timestamptz, timestamptz, integer, boolean);
drop index if exists public.webhook_deliveries_failed;
drop table if exists webhooks.metrics_progress;
drop table if exists webhooks.hourly_metrics;
drop view if exists webhooks.dead_letters;

do $rollback$
begin
  if to_regclass('webhooks.settings') is not null then
    alter table webhooks.settings drop column if exists retention;
  end if;
  -- Its jobs would only fail.
  if to_regprocedure('webhooks.missing_for_wakeup()') is not null then
    if not 'pg_cron' = any (webhooks.missing_for_wakeup()) then
      perform cron.unschedule(j.jobname) from cron.job j where j.jobname in ('webhooks-metrics', 'webhooks-prune');
    end if;
  end if;
end
$rollback$;
