-- Takes webhook_baseline back: drops what it made, by its comment. Where production had the tables before, there is
-- nothing to take back. It refuses to drop endpoints or deliveries.

do $rollback$
declare
  relation text;
  has_rows boolean;
begin
  if to_regnamespace('webhooks') is not null then
    raise exception using errcode = '55000',
      message = 'webhook_baseline: the schema webhooks is still there',
      hint = 'Take back the later migrations first.';
  end if;
  if obj_description(to_regprocedure('public.dispatch_webhook(text, jsonb, uuid)'), 'pg_proc') = (
    select 'Made by webhook_baseline: ' || md5(p.prosrc) from pg_proc p
    where p.oid = to_regprocedure('public.dispatch_webhook(text, jsonb, uuid)')) then
    drop function public.dispatch_webhook(text, jsonb, uuid);
  end if;
  foreach relation in array array['public.webhook_deliveries', 'public.webhook_configurations'] loop
    if obj_description(to_regclass(relation), 'pg_class') = 'Made by webhook_baseline.' then
      execute format('select exists (select from %s)', relation) into has_rows;
      if has_rows then
        raise exception using errcode = '55000',
          message = format('webhook_baseline: %s has rows, which would be lost', relation),
          hint = 'Delete the rows first if you mean it.';
      end if;
      execute format('drop table %s', relation);
    end if;
  end loop;
end
$rollback$;
