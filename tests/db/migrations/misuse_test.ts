/** What people may do to the migrations, on purpose or by a slip, and what must not follow. */

import assert from "node:assert/strict";
import postgres from "postgres";
import { dispatch, problems, register, startEmission } from "../../support/app.ts";
import { databaseTest, insertEndpoint } from "../../support/database.ts";
import { as, emitted, migrate, MIGRATIONS, named, rollBack } from "../../support/migrations.ts";

const STAND_INS = new URL("../../../stack/stand-ins.sql", import.meta.url);

databaseTest("nobody's call takes somebody else's event away", async ({ sql }) => {
  const app = await startEmission(sql);
  await migrate(sql, named("hardening"));
  const registration = await register(sql, app);
  await as(
    sql,
    "authenticated",
    app.ada,
    (tx) => dispatch(tx, "user.cancelled_registration", { registration_id: registration, junk: 1 }),
  );
  await as(
    sql,
    "authenticated",
    app.grace,
    (tx) => tx`update public.event_registrations set status = 'unregistered' where id = ${registration}`,
  );
  const events = await emitted(sql, "user.cancelled_registration");
  assert.deepEqual(events.map(({ actor_user_id }) => actor_user_id), [app.ada, app.grace]);
});

databaseTest("taking emission back leaves the triggers of the others", async ({ sql }) => {
  await sql.unsafe(await Deno.readTextFile(STAND_INS));
  await migrate(sql, MIGRATIONS.slice(1));
  const triggers = async () =>
    (await sql<{ name: string }[]>`
      select distinct p.proname as name from pg_trigger t join pg_proc p on p.oid = t.tgfoid
      where not t.tgisinternal and p.pronamespace = 'webhooks'::regnamespace order by 1`).map(({ name }) =>
      name
    );
  assert.equal((await triggers()).length, 12);
  await rollBack(sql, named("emission"));
  assert.deepEqual(await triggers(), ["on_deliveries_inserted", "on_endpoint_written", "on_wakeup_called"]);
});

databaseTest(
  "a write does not wait for whoever holds the endpoints, and its event is made up for",
  async (database) => {
    const { sql, url } = database;
    const { grace, discussion } = await startEmission(sql);
    const other = postgres(url, { max: 1, onnotice: () => {}, fetch_types: false });
    try {
      await other.begin(async (tx) => {
        await tx`select from public.webhook_configurations for update`;
        await sql.begin(async (writer) => {
          await writer`set local statement_timeout = '20s'`;
          await writer`
          insert into public.discussion_comments (discussion_id, user_id, text) values (${discussion}, ${grace}, 'x')`;
        });
      });
    } finally {
      await other.end();
    }
    assert.equal((await emitted(sql, "user.posted_comment")).length, 0);
    assert.match((await problems(sql)).map(({ message }) => message).join(), /lock timeout/);
    // One that cannot be emitted must not keep the others.
    await sql`
    insert into webhooks.problems (id, source, event_type, sql_state, message, events) overriding system value
    values (0, 'emit', 'user.posted_comment', '55P03', 'x', '[{"actor": "nobody", "data": {}}]')`;
    const [row] = await sql`select webhooks.emit_lost() as emitted`;
    assert.equal(Number(row!.emitted), 1);
    assert.equal((await emitted(sql, "user.posted_comment")).length, 1);
    // What is left would be lost.
    await assert.rejects(rollBack(sql, named("emission")), /events that were not emitted/);
  },
);

databaseTest("serializable transactions that do not conflict do not fail", async ({ sql, url }) => {
  const { grace, discussion } = await startEmission(sql);
  const clients = Array.from(
    { length: 4 },
    () => postgres(url, { max: 1, onnotice: () => {}, fetch_types: false }),
  );
  const [begun, written] = [0, 0].map(() => Promise.withResolvers<void>());
  let writers = 0;
  try {
    const all = clients.map((client) =>
      client.begin("isolation level serializable", async (tx) => {
        await tx`select 1`;
        if (++writers === clients.length) begun!.resolve();
        await begun!.promise;
        await tx`
          insert into public.discussion_comments (discussion_id, user_id, text) values (${discussion}, ${grace}, 'x')`;
        if (--writers === 0) written!.resolve();
        await written!.promise;
      })
    );
    assert.equal((await Promise.allSettled(all)).filter(({ status }) => status === "fulfilled").length, 4);
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
  assert.equal((await emitted(sql, "user.posted_comment")).length, 4);
});

databaseTest("what the owner has closed stays closed when the file runs again", async ({ sql }) => {
  await migrate(sql, named("foundation", "hardening"));
  await sql`delete from webhooks.user_events`;
  await migrate(sql, named("hardening"));
  assert.equal((await sql`select from webhooks.user_events`).length, 0);
});

databaseTest("jobs and a schema that are not ours are left alone", async ({ sql }) => {
  await sql.unsafe(await Deno.readTextFile(STAND_INS));
  await sql`create schema webhooks`;
  await assert.rejects(migrate(sql, named("foundation")), /there is a schema webhooks already/);
  await sql`drop schema webhooks`;
  await migrate(sql, named("foundation", "wakeup"));
  await sql`select cron.schedule('webhooks-cleanup-old', '0 0 * * *', 'select 1')`;
  await sql`select webhooks.disable_wakeup()`;
  const [job] = await sql`select jobname from cron.job`;
  assert.equal(job?.jobname, "webhooks-cleanup-old");
});

databaseTest(
  "an endpoint whose URL was never readable can be switched off by a form that saves all of it",
  async ({ sql }) => {
    await insertEndpoint(sql, { name: "old", url: "ftp://old.example" });
    await migrate(sql, named("foundation", "protocols"));
    await sql`update public.webhook_configurations set name = 'older', url = 'ftp://old.example', is_active = false`;
    const [row] = await sql`select name, is_active, delivery_protocol from public.webhook_configurations`;
    assert.deepEqual(row, { name: "older", is_active: false, delivery_protocol: "http" });
    await assert.rejects(
      sql`update public.webhook_configurations set url = 'ftp://new.example'`,
      /unsupported protocol/,
    );
  },
);
