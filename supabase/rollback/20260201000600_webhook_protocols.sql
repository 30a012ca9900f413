-- Takes webhook_protocols back. The columns say nothing that the URL does not.

drop trigger if exists webhooks_endpoint_written on public.webhook_configurations;
drop function if exists webhooks.on_endpoint_written();
drop function if exists webhooks.read_target(text);
drop function if exists webhooks.read_options(text, text);
alter table if exists public.webhook_configurations
  drop column if exists delivery_protocol,
  drop column if exists protocol_config;
