/** Who may emit what by dispatch_webhook, by role. */

import assert from "node:assert/strict";
import type postgres from "postgres";
import { databaseTest, insertEndpoint } from "../../support/database.ts";
import { as, emitted, migrate, type Migration, named, signUp } from "../../support/migrations.ts";

const EVENTS = [
  "user.posted_comment",
  "user.joined_platform",
  "user.referred_user",
  "webhook.test",
  "order.paid",
];

type Role = "anon" | "authenticated" | "service_role";

interface Call {
  event?: string;
  data?: Record<string, unknown>;
  actor?: string | null;
}

/** The RPC, as a page or a function calls it. */
function call(sql: postgres.Sql, role: Role, user: string | null, { event, data, actor }: Call = {}) {
  return as(sql, role, user, (tx) =>
    tx`select public.dispatch_webhook(${event ?? "user.posted_comment"},
      ${JSON.stringify(data ?? { comment_id: crypto.randomUUID() })}::text::jsonb, ${actor ?? null}::uuid)`);
}

async function start(
  sql: postgres.Sql,
  migrations: Migration[],
): Promise<{ ada: string; grace: string; admin: string }> {
  await migrate(sql, migrations);
  const users = {
    ada: await signUp(sql, "Ada"),
    grace: await signUp(sql, "Grace"),
    admin: await signUp(sql, "Root", "admin"),
  };
  await insertEndpoint(sql, { url: "https://a.example/", events: EVENTS });
  return users;
}

async function isRefused(call: Promise<unknown>, message: RegExp): Promise<void> {
  await assert.rejects(call, (error: postgres.PostgresError) => {
    assert.equal(error.code, "42501", error.message);
    assert.match(error.message, message);
    return true;
  });
}

databaseTest("without it any signed-in user emits anything for anybody", async ({ sql }) => {
  const { ada, grace } = await start(sql, named("foundation", "emission"));
  await call(sql, "authenticated", grace, { event: "order.paid", actor: ada });
  await call(sql, "anon", null, { event: "order.paid" });
  assert.equal((await emitted(sql, "order.paid")).length, 2);
});

for (const migrations of [named("foundation", "hardening"), named("foundation", "emission", "hardening")]) {
  const where = migrations.length === 2 ? "without emission" : "with emission";

  databaseTest(`anon emits nothing (${where})`, async ({ sql }) => {
    await start(sql, migrations);
    await isRefused(
      call(sql, "anon", null),
      /^dispatch_webhook: anon may not emit events; sign in, or call it with a secret key$/,
    );
    assert.deepEqual(await emitted(sql, "user.posted_comment"), []);
  });

  databaseTest(`a signed-in user emits what is allowed, for itself (${where})`, async ({ sql }) => {
    const { ada, grace } = await start(sql, migrations);
    await call(sql, "authenticated", grace, {
      data: { comment_id: "1", user_id: grace.toUpperCase() },
      actor: grace,
    });
    await call(sql, "authenticated", grace, { data: { comment_id: "2" } });
    await call(sql, "authenticated", grace, {
      event: "user.referred_user",
      data: { referred_user_id: grace, referrer_id: ada },
    });
    await isRefused(
      call(sql, "authenticated", grace, { actor: ada }),
      /actor_user_id is somebody else; leave it out or send the signed-in user's id$/,
    );
    await isRefused(
      call(sql, "authenticated", grace, { data: { comment_id: "3", user_id: ada } }),
      /event_data\.user_id is somebody else; send the signed-in user's id$/,
    );
    await isRefused(
      call(sql, "authenticated", grace, {
        event: "user.referred_user",
        data: { referred_user_id: ada, referrer_id: grace },
      }),
      /event_data\.referred_user_id is somebody else/,
    );
    for (const event of ["order.paid", "user.joined_platform", "discussion.auto_closed", "webhook.test"]) {
      await isRefused(
        call(sql, "authenticated", grace, { event }),
        new RegExp(
          `event_type "${event}" is not open to this user; emit it with a secret key, or .* webhooks\\.user_events$`,
        ),
      );
    }
    await isRefused(call(sql, "authenticated", null), /nobody is signed in/);
    const seen = (await emitted(sql)).filter(({ event }) => event !== "user.joined_platform");
    assert.deepEqual(seen.map(({ event, actor_user_id }) => [event, actor_user_id]), [
      ["user.posted_comment", grace],
      // Whoever calls is who did it, said or not.
      ["user.posted_comment", grace],
      ["user.referred_user", grace],
    ]);
  });

  databaseTest(`an admin is a user who may also test (${where})`, async ({ sql }) => {
    const { ada, admin } = await start(sql, migrations);
    await call(sql, "authenticated", admin, { event: "webhook.test" });
    await isRefused(call(sql, "authenticated", admin, { event: "order.paid" }), /is not open to this user/);
    await isRefused(call(sql, "authenticated", admin, { actor: ada }), /actor_user_id is somebody else/);
    assert.equal((await emitted(sql, "webhook.test")).length, 1);
  });

  databaseTest(`service_role and the owner emit everything (${where})`, async ({ sql }) => {
    const { ada } = await start(sql, migrations);
    await call(sql, "service_role", null, { event: "order.paid", actor: ada });
    await sql`select public.dispatch_webhook('order.paid', '{"user_id": "x"}')`;
    assert.deepEqual((await emitted(sql, "order.paid")).map(({ actor_user_id }) => actor_user_id), [
      ada,
      null,
    ]);
  });
}

const HARDENED = named("foundation", "hardening");

databaseTest("the list of what users may emit is the owner's", async ({ sql }) => {
  const { grace } = await start(sql, HARDENED);
  await sql`insert into webhooks.user_events (event_type) values ('order.paid')`;
  await sql`delete from webhooks.user_events where event_type = 'user.posted_comment'`;
  await call(sql, "authenticated", grace, { event: "order.paid" });
  await isRefused(call(sql, "authenticated", grace), /"user\.posted_comment" is not open/);
  // A name that would break out of the message.
  await isRefused(call(sql, "authenticated", grace, { event: 'a"\n'.repeat(40) }), /event_type "a\\"\\n/);
  // Applied again, it leaves the list alone where there is one.
  await migrate(sql, named("hardening"));
  await call(sql, "authenticated", grace, { event: "order.paid" });
});

databaseTest("a function of the application that runs as its owner emits as the owner", async ({ sql }) => {
  const { ada, grace } = await start(sql, HARDENED);
  const makes = (security: string) =>
    sql.unsafe(`
      create or replace function public.pay(whose uuid) returns void language plpgsql security ${security} as $$
      begin perform public.dispatch_webhook('order.paid', '{}', whose); end $$`);
  await makes("definer");
  await as(sql, "authenticated", grace, (tx) => tx`select public.pay(${ada}::uuid)`);
  assert.deepEqual((await emitted(sql, "order.paid")).map(({ actor_user_id }) => actor_user_id), [ada]);
  await makes("invoker");
  await isRefused(
    as(sql, "authenticated", grace, (tx) => tx`select public.pay(${ada}::uuid)`),
    /is not open/,
  );
});

databaseTest("there is no way around the guard", async ({ sql }) => {
  const { ada, grace } = await start(
    sql,
    named("foundation", "emission", "hardening", "wakeup", "operations", "protocols"),
  );
  const attempts: [Role, string | null][] = [["anon", null], ["authenticated", grace]];
  const statements = [
    "select webhooks.dispatch('order.paid', '{}')",
    "select webhooks.insert_deliveries('order.paid', array[null::uuid], array['{}'::jsonb])",
    "select webhooks.emit('order.paid', array['x'], array[null::uuid], array['{}'::jsonb])",
    "insert into webhooks.user_events (event_type) values ('order.paid')",
    "update webhooks.settings set duplicate_window = '0'",
    "select * from webhooks.replaced_functions",
    "select * from webhooks.dead_letters",
    "select webhooks.replay_webhooks(event_type => 'order.paid')",
    "select webhooks.prune()",
    "select webhooks.call_dispatcher()",
    "select webhooks.enable_wakeup('https://a.example/x', 'sb_secret_0123456789')",
    "select webhooks.wakeup_state()",
    "insert into public.webhook_deliveries (webhook_config_id, event_type, payload) values (gen_random_uuid(), 'x', '{}')",
    "update public.webhook_configurations set url = 'https://evil.example/'",
    "create table webhooks.mine (n integer)",
  ];
  for (const [role, user] of attempts) {
    for (const statement of statements) {
      await isRefused(as(sql, role, user, (tx) => tx.unsafe(statement)), /^permission denied/);
    }
  }
  await isRefused(
    as(
      sql,
      "authenticated",
      grace,
      (tx) => tx`select webhooks.dispatch_as_user('user.posted_comment', '{}', ${ada}::uuid)`,
    ),
    /actor_user_id is somebody else/,
  );
});

databaseTest("the caller's search path leads nowhere", async ({ sql }) => {
  const { grace } = await start(sql, named("foundation", "emission", "hardening"));
  await sql.unsafe(`
    create schema trap; grant all on schema trap to public;
    create function trap.to_regprocedure(text) returns regprocedure language plpgsql as 'begin raise ''trapped''; end';
    create function trap.has_schema_privilege(text, text) returns boolean language plpgsql as 'begin raise ''trapped''; end';
    create function trap.to_char(timestamp, text) returns text language plpgsql as 'begin raise ''trapped''; end';
    grant execute on all functions in schema trap to public`);
  await as(sql, "authenticated", grace, async (tx) => {
    await tx`set local search_path = trap, pg_catalog, public`;
    await assert.rejects(tx.savepoint((inner) => inner`select to_regprocedure('x')`), /trapped/);
    await tx`select public.dispatch_webhook('user.posted_comment', '{}')`;
  });
  assert.equal((await emitted(sql, "user.posted_comment")).length, 1);
});

databaseTest("only admins see endpoints and deliveries, before and after", async ({ sql }) => {
  const { grace, admin } = await start(
    sql,
    named("foundation", "emission", "hardening", "wakeup", "operations", "protocols"),
  );
  await sql`select public.dispatch_webhook('order.paid', '{}')`;
  const seen = (role: Role, user: string | null) =>
    as(sql, role, user, async (tx) => {
      const [row] = await tx<{ endpoints: number; deliveries: number }[]>`
        select (select count(*)::integer from public.webhook_configurations) as endpoints,
          (select count(*)::integer from public.webhook_deliveries where event_type = 'order.paid') as deliveries`;
      return [row!.endpoints, row!.deliveries];
    });
  assert.deepEqual(await seen("anon", null), [0, 0]);
  assert.deepEqual(await seen("authenticated", grace), [0, 0]);
  assert.deepEqual(await seen("authenticated", admin), [1, 1]);
  await isRefused(seen("service_role", null), /^permission denied/);
});
