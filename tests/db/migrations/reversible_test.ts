/** Every migration: twice is once, back is as before, and production's own tables are left alone. */

import assert from "node:assert/strict";
import type postgres from "postgres";
import { databaseTest, insertDeliveries, insertEndpoint } from "../../support/database.ts";
import {
  catalog,
  difference,
  dropProject,
  filesIn,
  makeEmptyProject,
  migrate,
  MIGRATIONS,
  named,
  rollBack,
  SAME,
} from "../../support/migrations.ts";

/** By it the way back knows what the baseline has made. */
const MARK = /^comment on .*: Made by webhook_baseline(\.|: [0-9a-f]{32})$/;

Deno.test("each migration has a way back, and both are run here", () => {
  const expected = MIGRATIONS.map((name) => `${name}.sql`);
  assert.deepEqual(filesIn("migrations"), expected);
  assert.deepEqual(filesIn("rollback"), expected);
});

databaseTest("the baseline changes nothing where production has it all", async ({ sql }) => {
  await insertDeliveries(sql, await insertEndpoint(sql, { url: "https://a.example/" }), 2);
  const before = await catalog(sql);
  assert(before.length > 100, `the catalog has ${before.length} lines`);
  await migrate(sql, named("baseline"));
  assert.deepEqual(difference(before, await catalog(sql)), SAME);
  await rollBack(sql, named("baseline"));
  assert.deepEqual(difference(before, await catalog(sql)), SAME);
  const [count] = await sql`select count(*)::integer as deliveries from public.webhook_deliveries`;
  assert.equal(count?.deliveries, 2);
});

databaseTest("an empty project gets the tables and the function as production has them", async ({ sql }) => {
  const production = await catalog(sql);
  await dropProject(sql);
  await makeEmptyProject(sql);
  const empty = await catalog(sql);
  assert.notDeepEqual(difference(production, empty), SAME);
  await migrate(sql, named("baseline"));
  const made = await catalog(sql);
  const { gone, come } = difference(production, made);
  assert.deepEqual([gone, come.filter((line) => !MARK.test(line))], [[], []]);
  assert.equal(come.length, 3);
  await migrate(sql, named("baseline"));
  assert.deepEqual(difference(made, await catalog(sql)), SAME);
  await rollBack(sql, named("baseline"));
  assert.deepEqual(difference(empty, await catalog(sql)), SAME);
});

databaseTest("the way back from the baseline drops no rows", async ({ sql }) => {
  await dropProject(sql);
  await makeEmptyProject(sql);
  await migrate(sql, named("baseline"));
  await insertEndpoint(sql, { url: "https://a.example/" });
  await assert.rejects(
    rollBack(sql, named("baseline")),
    /webhook_baseline: public\.webhook_configurations has rows, which would be lost/,
  );
});

databaseTest("a database that is no Supabase project is told what it lacks", async ({ sql }) => {
  await dropProject(sql);
  await assert.rejects(
    migrate(sql, named("baseline")),
    /webhook_baseline: needs the tables auth\.users and public\.users/,
  );
  await assert.rejects(migrate(sql, named("emission")), /apply 20260201000100_webhook_foundation\.sql first/);
});

for (const last of MIGRATIONS.slice(1)) {
  databaseTest(`${last}: twice is once, and back is as before`, async ({ sql }) => {
    await insertDeliveries(sql, await insertEndpoint(sql, { url: "sqs://orders?region=eu-west-1" }), 2);
    await migrate(sql, MIGRATIONS.slice(0, MIGRATIONS.indexOf(last)));
    const before = await catalog(sql);
    await migrate(sql, [last]);
    const after = await catalog(sql);
    assert.notDeepEqual(difference(before, after).come, []);
    await migrate(sql, [last]);
    assert.deepEqual(difference(after, await catalog(sql)), SAME);
    await rollBack(sql, [last]);
    assert.deepEqual(difference(before, await catalog(sql)), SAME);
    await rollBack(sql, [last]);
    assert.deepEqual(difference(before, await catalog(sql)), SAME);
    await migrate(sql, [last]);
    assert.deepEqual(difference(after, await catalog(sql)), SAME);
  });
}

databaseTest("all of them, all twice, and all the way back", async ({ sql }) => {
  const before = await catalog(sql);
  await migrate(sql);
  const after = await catalog(sql);
  await migrate(sql);
  assert.deepEqual(difference(after, await catalog(sql)), SAME);
  await rollBack(sql);
  assert.deepEqual(difference(before, await catalog(sql)), SAME);
});

for (const name of ["emission", "hardening", "wakeup", "operations", "protocols"]) {
  databaseTest(`${name} stands on the foundation alone`, async ({ sql }) => {
    const before = await catalog(sql);
    await migrate(sql, named("foundation", name));
    await rollBack(sql, named("foundation", name));
    assert.deepEqual(difference(before, await catalog(sql)), SAME);
  });
}

databaseTest("the foundation stays while something stands on it", async ({ sql }) => {
  await migrate(sql, named("foundation", "operations"));
  await assert.rejects(
    rollBack(sql, named("foundation")),
    /webhook_foundation: other migrations still stand on it/,
  );
});

databaseTest(
  "emission and hardening go in any order, and leave dispatch_webhook as it was",
  async ({ sql }) => {
    const source = async () => await dispatchWebhook(sql);
    const before = await source();
    await migrate(sql, named("foundation", "hardening", "emission"));
    const guarded = await source();
    await rollBack(sql, named("emission"));
    assert.equal(await source(), guarded);
    await migrate(sql, named("emission"));
    await rollBack(sql, named("hardening"));
    assert.notEqual(await source(), guarded);
    assert.notEqual(await source(), before);
    await rollBack(sql, named("emission"));
    assert.equal(await source(), before);
  },
);

databaseTest(
  "a dispatch_webhook of the application's own is kept and comes back, with its grants",
  async ({ sql }) => {
    await sql.unsafe(`
    create or replace function public.dispatch_webhook(event_type text, event_data jsonb, actor_user_id uuid default null)
    returns void language sql security definer set work_mem = '8MB' as 'select null::void /* ours */';
    revoke execute on function public.dispatch_webhook from anon, public`);
    const before = await catalog(sql);
    await migrate(sql);
    await migrate(sql);
    assert.doesNotMatch(await dispatchWebhook(sql), /ours/);
    await rollBack(sql);
    assert.deepEqual(difference(before, await catalog(sql)), SAME);
  },
);

async function dispatchWebhook(sql: postgres.Sql): Promise<string> {
  const [row] = await sql<{ source: string }[]>`
    select pg_get_functiondef('public.dispatch_webhook(text, jsonb, uuid)'::regprocedure) as source`;
  return row!.source;
}

databaseTest(
  "nobody but the owner has rights in the schema webhooks, but for what the guard needs",
  async ({ sql }) => {
    await migrate(sql);
    const lines = (await catalog(sql)).filter((line) =>
      /^grant on (schema webhooks|(relation|function) webhooks\.)/.test(line) && !/ to postgres, /.test(line)
    );
    assert.deepEqual(lines, [
      "grant on function webhooks.dispatch(text,jsonb,uuid): EXECUTE to service_role, grantable f",
      "grant on function webhooks.dispatch_as_user(text,jsonb,uuid): EXECUTE to authenticated, grantable f",
      "grant on schema webhooks: USAGE to authenticated, grantable f",
      "grant on schema webhooks: USAGE to service_role, grantable f",
    ]);
  },
);

databaseTest(
  "every function has a fixed search path, and every table row level security",
  async ({ sql }) => {
    await migrate(sql);
    const functions = await sql<{ name: string; fixed: boolean }[]>`
    select p.oid::regprocedure::text as name, coalesce('search_path=""' = any (p.proconfig), false) as fixed from pg_proc p
    where p.pronamespace = 'webhooks'::regnamespace or p.oid = 'public.dispatch_webhook(text, jsonb, uuid)'::regprocedure`;
    assert(functions.length > 30, `${functions.length} functions`);
    assert.deepEqual(functions.filter(({ fixed }) => !fixed), []);
    const open = await sql`
    select relname from pg_class where relnamespace = 'webhooks'::regnamespace and relkind = 'r' and not relrowsecurity`;
    assert.deepEqual([...open], []);
  },
);
