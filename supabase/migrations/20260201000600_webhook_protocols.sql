-- Typed columns beside an endpoint's URL: its protocol, and what the URL says about it. A trigger keeps them in step with
-- the URL, which stays the one thing that is written and that the dispatcher reads; and it refuses URLs that can never be
-- delivered to, with the dispatcher's own messages. Needs webhook_foundation.

do $migration$
begin
  if to_regclass('webhooks.settings') is null then
    raise exception using errcode = '55000',
      message = 'webhook_protocols: apply 20260201000100_webhook_foundation.sql first';
  end if;
end
$migration$;

alter table public.webhook_configurations
  add column if not exists delivery_protocol text not null default 'http',
  add column if not exists protocol_config jsonb;

-- Takes a target URL apart as crates/webhook-protocol does: either `error` is null or the rest. It judges the form:
-- scheme, credentials, parts that are missing or too many, names of options. Whether names, regions and values of options
-- are valid is the dispatcher's to say, which has the platform's URL parser.
create or replace function webhooks.read_target(url text, out protocol text, out config jsonb, out error text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  trimmed text := regexp_replace(url, '^\s+|\s+$', '', 'g');
  scheme text;
  rest text;
  fragment text := '';
  authority text;
  query text;
  segments text[];
  -- What a URL of the protocol looks like, the names of its options, and of its parts.
  form text;
  known text;
  part text;
  second_part text;
  schemes constant text := 'http://, https://, sqs://, pubsub://, kafka://, kafkas://, lambda:// or mailto:';
  form_of_sqs constant text := 'sqs://QUEUE?region=REGION or sqs://sqs.REGION.amazonaws.com/ACCOUNT/QUEUE';
begin
  if coalesce(trimmed, '') = '' then
    error := 'url: is empty; expected one like https://example.com/webhook';
    return;
  end if;
  scheme := case when trimmed ~* '^mailto:' then 'mailto'
    else lower(substring(trimmed from '^([A-Za-z][A-Za-z0-9+.-]*)://')) end;
  if scheme is null then
    error := 'url: has no scheme; expected it to begin with ' || schemes;
    return;
  end if;
  rest := substr(trimmed, length(scheme) + case scheme when 'mailto' then 2 else 4 end);
  -- A fragment with `=` holds options for the dispatcher.
  if rest ~ '#.*=' then
    fragment := substr(rest, position('#' in rest) + 1);
    rest := left(rest, position('#' in rest) - 1);
  end if;

  case scheme
    when 'http', 'https' then
      protocol := 'http';
    when 'sqs' then
      protocol := 'sqs'; part := 'queue'; form := form_of_sqs; known := 'region, group, endpoint, credentials';
    when 'pubsub' then
      protocol := 'pubsub'; part := 'project'; second_part := 'topic'; form := 'pubsub://PROJECT/TOPIC';
      known := 'ordering, endpoint, credentials';
    when 'kafka', 'kafkas' then
      protocol := 'kafka'; part := 'broker'; second_part := 'topic';
      form := 'kafka://BROKER:9092/TOPIC, several brokers separated by commas';
      known := 'key, compression, credentials';
    when 'lambda' then
      protocol := 'lambda'; part := 'function'; form := 'lambda://FUNCTION?region=REGION';
      known := 'region, qualifier, endpoint, credentials';
    when 'mailto' then
      protocol := 'mail'; part := 'recipient';
      form := 'mailto:ops@example.com, or several addresses separated by commas'; known := 'from, credentials';
    else
      error := format('url: unsupported protocol %s; expected %s',
        to_json(left(substring(trimmed from '^([^:]*)'), 32)), schemes);
      return;
  end case;

  if protocol = 'http' then
    -- Slashes before the host are as good as two, and a backslash as good as a slash: WHATWG URL, section 4.4.
    authority := substring(rest from '^[/\\]*([^/\\?#]*)');
    if authority ~ '@' and regexp_replace(authority, '@[^@]*$', '') not in ('', ':') then
      error := 'credentials';
    elsif regexp_replace(authority, '^.*@', '') !~ '^[^ :]*(:[0-9]*)?$|^\[[^]]*\](:[0-9]*)?$'
      or regexp_replace(authority, '^.*@', '') ~ '^(:|$)'
      or coalesce(nullif(substring(authority from ':([0-9]+)$'), ''), '0')::numeric > 65535 then
      error := format('url: is no valid %s URL; expected one like %s://example.com/webhook', scheme, scheme);
    end if;
    config := '{}';
  else
    query := case when rest like '%?%' then substr(rest, position('?' in rest) + 1) else '' end;
    if protocol = 'mail' then
      authority := split_part(rest, '?', 1);
      segments := '{}';
      -- What else RFC 6068 knows, the dispatcher refuses with what to do instead.
      query := regexp_replace(query, '(^|&)(to|cc|bcc|subject|body)(=[^&]*)?(?=&|$)', '', 'gi');
    else
      authority := split_part(split_part(rest, '?', 1), '/', 1);
      segments := array_remove((string_to_array(split_part(rest, '?', 1), '/'))[2:], '');
    end if;
    select t.config, t.error into config, error from webhooks.read_options(query, known) t;
    error := case
      when rest like '%#%' then 'url: has a fragment after #, which this protocol does not use; remove it'
      when protocol <> 'mail' and authority like '%@%' or rest ~ '[?&]endpoint=[^&/]*//[^&/?#]*@' then 'credentials'
      when error is not null then error
      when authority = '' then format('url: has no %s; expected %s', part, form)
      when protocol = 'sqs' and (cardinality(segments) = 1
        or cardinality(segments) = 0 and regexp_replace(authority, '(\.fifo)+$', '') like '%.%')
        then format('url: has no %s; expected %s', part, form)
      when second_part is not null and cardinality(segments) = 0
        then format('url: has no %s; expected %s', second_part, form)
      when cardinality(segments) > case protocol when 'sqs' then 2 when 'lambda' then 0 else 1 end
        then format('url: path %s is not valid; expected %s',
          to_json(left(segments[case protocol when 'sqs' then 3 when 'lambda' then 1 else 2 end], 64)), form)
    end;
    config := config || case protocol
      when 'sqs' then case cardinality(segments)
        when 2 then jsonb_build_object('host', lower(authority), 'account', segments[1], 'queue', segments[2])
        else jsonb_build_object('queue', authority)
      end
      when 'pubsub' then jsonb_build_object('project', authority, 'topic', segments[1])
      when 'kafka' then jsonb_build_object('brokers', to_jsonb(string_to_array(authority, ',')), 'topic', segments[1],
        'tls', scheme = 'kafkas')
      when 'mail' then jsonb_build_object('recipients', to_jsonb(string_to_array(authority, ',')))
      else jsonb_strip_nulls(jsonb_build_object('function', regexp_replace(authority, '^[^:]*:', ''),
        'account', substring(authority from '^([^:]*):')))
    end;
  end if;

  if error = 'credentials' then
    error := 'url: holds credentials before the @; remove them and let the receiver verify the signature instead';
  end if;
  if error is not null then
    protocol := null;
    config := null;
  else
    -- rate, timeout, concurrency and format: the dispatcher names what is wrong with them.
    config := config || (select t.config from webhooks.read_options(fragment, null) t);
  end if;
end
$$;

-- Options by their names, from `name=value&name=value`. `known` are the names that there are, separated by a comma and a
-- blank; null lets any pass.
create or replace function webhooks.read_options(query text, known text, out config jsonb, out error text)
language sql
immutable
set search_path = ''
as $$
  with options as (
    select p.place, split_part(p.pair, '=', 1) as name,
      case when p.pair like '%=%' then substr(p.pair, position('=' in p.pair) + 1) else '' end as value
    from unnest(string_to_array(query, '&')) with ordinality as p(pair, place)
    where p.pair <> ''
  ), judged as (
    select o.*, case
      when o.name <> all (string_to_array(known, ', '))
        then format('url: unknown option %s; known: %s', to_json(left(o.name, 64)), known)
      when known is not null and exists (select from options e where e.name = o.name and e.place < o.place)
        then format('url: option %s is given twice', to_json(o.name))
    end as error
    from options o
  )
  select coalesce(jsonb_object_agg(j.name, j.value), '{}'),
    (array_agg(j.error order by j.place) filter (where j.error is not null))[1]
  from judged j
$$;

create or replace function webhooks.on_endpoint_written()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  target record;
begin
  select t.* into target from webhooks.read_target(new.url) t;
  if target.error is not null and tg_op = 'UPDATE' and new.url = old.url then
    -- One from before stays as it is, and can be switched off.
    new.delivery_protocol := old.delivery_protocol;
    new.protocol_config := old.protocol_config;
    return new;
  end if;
  if target.error is not null then
    raise exception using errcode = '22023', message = target.error;
  end if;
  -- Inserted rows say http where nobody has said anything.
  if tg_op = 'UPDATE' and new.url = old.url and new.delivery_protocol <> target.protocol then
    raise exception using errcode = '22023',
      message = format('delivery_protocol: %s does not fit the url, whose protocol is %s; change the url',
        to_json(new.delivery_protocol), target.protocol);
  end if;
  new.delivery_protocol := target.protocol;
  new.protocol_config := target.config;
  return new;
end
$$;

create or replace trigger webhooks_endpoint_written
before insert or update of url, delivery_protocol, protocol_config on public.webhook_configurations
for each row execute function webhooks.on_endpoint_written();

-- Endpoints from before. One whose URL cannot be read stays as it is: what it is owed fails with the reason.
do $migration$
declare
  c record;
begin
  for c in
    select e.id, e.name, t.protocol, t.config, t.error
    from public.webhook_configurations e cross join lateral webhooks.read_target(e.url) t
    where e.protocol_config is null
  loop
    if c.error is null then
      update public.webhook_configurations e set delivery_protocol = c.protocol, protocol_config = c.config
      where e.id = c.id;
    else
      raise warning 'webhook_protocols: endpoint % (%): %', c.name, c.id, c.error;
    end if;
  end loop;
end
$migration$;

revoke execute on all functions in schema webhooks from public;
