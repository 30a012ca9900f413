/**
 * The migrations and their ways back, and what a database's catalog says before and after.
 *
 * @module
 */

import postgres from "postgres";

const SUPABASE = new URL("../../supabase/", import.meta.url);
const SCHEMA = new URL("../../stack/schema/", import.meta.url);

export const MIGRATIONS = [
  "20260201000000_webhook_baseline",
  "20260201000100_webhook_foundation",
  "20260201000200_webhook_emission",
  "20260201000300_webhook_hardening",
  "20260201000400_webhook_wakeup",
  "20260201000500_webhook_operations",
  "20260201000600_webhook_protocols",
] as const;

export type Migration = typeof MIGRATIONS[number];

/** The migration whose name ends so: `emission`, `wakeup`. */
export function named(...names: string[]): Migration[] {
  return names.map((name) => {
    const found = MIGRATIONS.find((migration) => migration.endsWith(`_webhook_${name}`));
    if (!found) throw new Error(`there is no migration ${name}`);
    return found;
  });
}

/** Each file in one transaction, as the Supabase CLI does it. */
export async function migrate(
  sql: postgres.Sql,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<void> {
  for (const name of migrations) await runFile(sql, new URL(`migrations/${name}.sql`, SUPABASE));
}

/** Back, the last one first. */
export async function rollBack(
  sql: postgres.Sql,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<void> {
  for (const name of migrations.toReversed()) await runFile(sql, new URL(`rollback/${name}.sql`, SUPABASE));
}

/** The names of the files in one of the two folders. */
export function filesIn(folder: "migrations" | "rollback"): string[] {
  return [...Deno.readDirSync(new URL(`${folder}/`, SUPABASE))].map(({ name }) => name).toSorted();
}

/** What Supabase and the application bring, without the webhook tables. The roles are the server's and there already. */
export async function makeEmptyProject(sql: postgres.Sql): Promise<void> {
  const supabase = await Deno.readTextFile(new URL("01-supabase.sql", SCHEMA));
  await sql.unsafe(supabase.replaceAll(/^create role .*;$/gm, ""));
  await runFile(sql, new URL("02-app.sql", SCHEMA));
}

/** Removes what the template database has, so that a test can begin with nothing. */
export async function dropProject(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`
    drop schema public cascade; drop schema auth cascade;
    create schema public authorization pg_database_owner;
    grant usage on schema public to public;
    comment on schema public is 'standard public schema'`);
}

async function runFile(sql: postgres.Sql, file: URL): Promise<void> {
  const text = await Deno.readTextFile(file);
  await sql.begin((tx) => tx.unsafe(text));
}

/**
 * All that the catalog says about the database's own schemas, a line each, sorted: schemas, tables with their columns,
 * constraints, indexes, policies, triggers, views, functions with their source, grants, comments.
 */
export async function catalog(sql: postgres.Sql): Promise<string[]> {
  const rows = await sql<{ line: string }[]>`
    with spaces as (
      select oid, nspname, nspowner, nspacl from pg_namespace
      where nspname !~ '^pg_' and nspname <> 'information_schema'
    ), relations as (
      select c.*, s.nspname || '.' || c.relname as full_name from pg_class c join spaces s on s.oid = c.relnamespace
    ), routines as (
      select p.*, p.oid::regprocedure::text as full_name from pg_proc p join spaces s on s.oid = p.pronamespace
    ), grants as (
      select 'schema ' || nspname as what, nspowner as owner, coalesce(nspacl, acldefault('n', nspowner)) as acl from spaces
      union all
      select 'relation ' || full_name, relowner, coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner))
      from relations where relkind in ('r', 'v', 'S', 'p', 'm')
      union all
      select 'column ' || r.full_name || '.' || a.attname, r.relowner, a.attacl
      from pg_attribute a join relations r on r.oid = a.attrelid where a.attacl is not null
      union all
      select 'function ' || full_name, proowner, coalesce(proacl, acldefault('f', proowner)) from routines
    )
    select 'schema ' || nspname || ' of ' || nspowner::regrole as line from spaces
    union all
    select format('relation %s %s of %s, %s, rls %s %s, %s', relkind, full_name, relowner::regrole, relpersistence,
      relrowsecurity, relforcerowsecurity, reloptions)
    from relations
    union all
    select format('column %s %s %s %s, null %s, default %s, identity %s', r.full_name,
      row_number() over (partition by r.oid order by a.attnum), a.attname, format_type(a.atttypid, a.atttypmod),
      not a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attidentity)
    from pg_attribute a join relations r on r.oid = a.attrelid
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attnum > 0 and not a.attisdropped and r.relkind in ('r', 'v', 'p', 'm')
    union all
    select format('constraint %s %s: %s', r.full_name, c.conname, pg_get_constraintdef(c.oid))
    from pg_constraint c join relations r on r.oid = c.conrelid
    union all
    select 'index ' || pg_get_indexdef(r.oid) from relations r where r.relkind in ('i', 'I')
    union all
    select format('policy %s %s: %s %s %s using %s check %s', r.full_name, p.polname, p.polcmd, p.polpermissive,
      p.polroles::regrole[], pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    from pg_policy p join relations r on r.oid = p.polrelid
    union all
    select format('trigger %s, enabled %s', pg_get_triggerdef(t.oid), t.tgenabled)
    from pg_trigger t join relations r on r.oid = t.tgrelid where not t.tgisinternal
    union all
    select format('view %s: %s', full_name, pg_get_viewdef(oid)) from relations where relkind in ('v', 'm')
    union all
    select format('function %s of %s: %s', full_name, proowner::regrole, pg_get_functiondef(oid)) from routines
    where prokind in ('f', 'p')
    union all
    select format('grant on %s: %s to %s, grantable %s', g.what, x.privilege_type,
      case x.grantee when 0 then 'public' else x.grantee::regrole::text end, x.is_grantable)
    from grants g cross join lateral aclexplode(g.acl) x
    union all
    select format('comment on %s %s: %s', o.type, o.identity, d.description)
    from pg_description d cross join lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) o
    where o.schema in (select nspname from spaces) or o.type = 'schema' and o.identity in (select nspname from spaces)
    order by 1`;
  return rows.map(({ line }) => line);
}

/** Lines that only one of two catalogs has. */
export function difference(before: string[], after: string[]): { gone: string[]; come: string[] } {
  const [old, now] = [new Set(before), new Set(after)];
  return { gone: before.filter((line) => !now.has(line)), come: after.filter((line) => !old.has(line)) };
}

export const SAME = { gone: [], come: [] };

/** One request of a role, as PostgREST runs it: the role and the claims hold for one transaction. */
export async function as<T>(
  sql: postgres.Sql,
  role: "anon" | "authenticated" | "service_role",
  user: string | null,
  work: (tx: postgres.TransactionSql) => Promise<T>,
): Promise<T> {
  const result = await sql.begin(async (tx) => {
    const claims = JSON.stringify({ role, ...(user && { sub: user }) });
    await tx`select set_config('request.jwt.claims', ${claims}, true)`;
    await tx.unsafe(`set local role ${role}`);
    return await work(tx);
  });
  return result as T;
}

/** Somebody who uses the application. */
export async function signUp(sql: postgres.Sql, name: string, role = "user"): Promise<string> {
  const [row] = await sql<{ id: string }[]>`
    insert into auth.users (email) values (${`${crypto.randomUUID()}@example.com`}) returning id`;
  await sql`
    insert into public.users (id, name, role, referral_code)
    values (${row!.id}, ${name}, ${role}, ${crypto.randomUUID()})`;
  return row!.id;
}

/** An event as its deliveries tell it. */
export interface Emitted {
  event: string;
  actor_user_id: string | null;
  data: Record<string, unknown>;
}

/** The events that are in the queue, each once, in the order of their making. */
export async function emitted(sql: postgres.Sql, event?: string): Promise<Emitted[]> {
  const rows = await sql<{ payload: string }[]>`
    select d.payload::text as payload from public.webhook_deliveries d
    where ${event ?? null}::text is null or d.event_type = ${event ?? null}::text
    order by d.ctid`;
  const byRequest = new Map<string, Emitted>();
  for (const { payload } of rows) {
    const { request_id, event, actor_user_id, data } = JSON.parse(payload);
    byRequest.set(request_id, { event, actor_user_id, data });
  }
  return [...byRequest.values()];
}
