/**
 * `npm run alerts`: who is told when something is the matter. See `--help`.
 */

import { join } from "node:path";
import { HELP, readOptions } from "./alerts/options.mjs";
import { isAlive, readJson } from "./leftovers.mjs";
import { ROOT } from "./processes.mjs";
import { Failure, run, say } from "./say.mjs";
import { installPackages } from "./setup.mjs";

const EVENT = "webhook.alert";

await run(async () => {
  const options = readOptions(process.argv.slice(2), process.env);
  if (options.help) return console.log(HELP);
  const url = options.databaseUrl ?? await stacksDatabase();
  await installPackages();
  const { default: postgres } = await import("postgres");
  const sql = connect(postgres, url);
  try {
    await { add, list, remove }[options.command](sql, options);
  } catch (error) {
    throw error instanceof Failure ? error : new Failure(`the database says: ${error.message || error.code}`);
  } finally {
    await sql.end({ timeout: 1 });
  }
});

async function stacksDatabase() {
  const stack = await readJson(join(ROOT, ".local/stack.json"));
  if (stack.process !== undefined && isAlive(stack.process)) {
    say("the local stack's database");
    return stack.db_url;
  }
  throw new Failure(
    "no local stack is up: npm start starts one; or set SUPABASE_DB_URL, which the project's Connect dialog shows",
  );
}

/** No message shows the URL: it holds the password. */
function connect(postgres, url) {
  try {
    return postgres(url, { max: 1, prepare: false, connect_timeout: 10, onnotice: () => {} });
  } catch {
    throw new Failure("SUPABASE_DB_URL is no valid postgresql:// URL: percent-encode special characters");
  }
}

async function add(sql, { name, url, secret }) {
  const [known] = await sql`
    select name from public.webhook_configurations where url = ${url} and ${EVENT} = any (events) and is_active`;
  if (known) throw new Failure(`"${known.name}" listens there already`);
  const [row] = await sql`
    insert into public.webhook_configurations (name, url, events, secret_key, created_by)
    select ${name}, ${url}, ${[EVENT]}, ${secret}, u.id
    from auth.users u left join public.users p on p.id = u.id
    order by coalesce(p.role::text = 'admin', false) desc, u.created_at nulls last limit 1
    returning id, name`;
  if (!row) {
    throw new Failure("auth.users is empty, and an endpoint needs a created_by: sign up an admin first");
  }
  console.log(`added "${row.name}" (${row.id}). Try it: npm run emit -- ${EVENT} --endpoint ${row.id}`);
}

async function list(sql) {
  const rows = await sql`
    select e.id, e.name, e.is_active, split_part(e.url, ':', 1) as scheme,
      substring(e.url from '^[a-z]+://([^/?#:]+)') as host,
      (select max(d.created_at) from public.webhook_deliveries d
       where d.webhook_config_id = e.id and d.event_type = ${EVENT}) as last
    from public.webhook_configurations e where ${EVENT} = any (e.events) order by e.created_at, e.id`;
  if (rows.length === 0) return console.log("nobody listens: npm run alerts -- add slack URL");
  for (const { id, name, is_active, scheme, host, last } of rows) {
    // A path may be a secret: Slack's is.
    const where = host ? `${scheme}://${host}/…` : scheme;
    const when = last ? `last alert ${last.toISOString()}` : "no alert yet";
    console.log(`${id}  ${is_active ? "on " : "off"}  ${name}  ${where}  ${when}`);
  }
}

async function remove(sql, { target }) {
  const rows = await sql`
    select id, name from public.webhook_configurations
    where ${EVENT} = any (events) and (id::text = ${target} or name = ${target})`;
  if (rows.length === 0) throw new Failure(`nobody called ${target} listens: npm run alerts -- list`);
  if (rows.length > 1) throw new Failure(`${rows.length} listeners are called ${target}: name one by its id`);
  const [{ id, name }] = rows;
  // Its deliveries stay. What is subscribed to other events, too, goes on getting them.
  await sql`
    update public.webhook_configurations
    set events = array_remove(events, ${EVENT}), is_active = is_active and cardinality(events) > 1, updated_at = now()
    where id = ${id}`;
  console.log(`"${name}" is told no more`);
}
