-- Takes webhook_baseline back where it made the tables: it refuses to drop endpoints or deliveries, since a project
-- that had them before has nothing to take back.

do $rollback$
declare
  has_rows boolean := false;
begin
  if to_regnamespace('webhooks') is not null then
    raise exception using errcode = '55000',
      message = 'webhook_baseline: the schema webhooks is still there',
      hint = 'Take back the later migrations first.';
  end if;
  if to_regclass('public.webhook_configurations') is not null then
    execute 'select exists (select from public.webhook_configurations)' into has_rows;
  end if;
  if not has_rows and to_regclass('public.webhook_deliveries') is not null then
    execute 'select exists (select from public.webhook_deliveries)' into has_rows;
  end if;
  if has_rows then
    raise exception using errcode = '55000',
      message = 'webhook_baseline: webhook_configurations or webhook_deliveries has rows, which would be lost',
      hint = 'Delete the rows first if you mean it.';
  end if;
end
$rollback$;

drop function if exists public.dispatch_webhook(text, jsonb, uuid);
drop table if exists public.webhook_deliveries;
drop table if exists public.webhook_configurations;
