-- Takes webhook_hardening back: dispatch_webhook is open to every caller again.

drop table if exists webhooks.user_events;

do $rollback$
begin
  if to_regprocedure('webhooks.place_dispatch_webhook()') is not null then
    revoke execute on function webhooks.dispatch(text, jsonb, uuid) from service_role;
    revoke usage on schema webhooks from authenticated, service_role;
    perform webhooks.place_dispatch_webhook();
  end if;
end
$rollback$;

drop function if exists webhooks.dispatch_as_user(text, jsonb, uuid);
