/** Events by triggers: each change tells its event, and no trigger breaks a write. */

import assert from "node:assert/strict";
import { dispatch, problems, register, startEmission } from "../../support/app.ts";
import { databaseTest, insertEndpoint } from "../../support/database.ts";
import { as, emitted, migrate, named, signUp } from "../../support/migrations.ts";

databaseTest("every change tells its event, with the data of the table of nine", async ({ sql }) => {
  const app = await startEmission(sql);
  const { ada, grace, community, event, discussion } = app;
  const linus = await signUp(sql, "Linus");
  await sql`insert into public.community_members (user_id, community_id) values (${ada}, ${community})`;
  await as(
    sql,
    "authenticated",
    grace,
    (tx) => tx`insert into public.community_members (user_id, community_id) values (${grace}, ${community})`,
  );
  const registration = await register(sql, app);
  await sql`update public.event_registrations set status = 'unregistered' where id = ${registration}`;
  const [comment] = await sql<{ id: string }[]>`
    insert into public.discussion_comments (discussion_id, user_id, text) values (${discussion}, ${grace}, '🎲 "yes"')
    returning id`;
  await sql`
    insert into public.flags (flagged_user_id, flagged_by_id, comment_id, reason)
    values (${grace}, ${ada}, ${comment!.id}, 'spam')`;
  await sql`insert into public.referrals (referrer_id, referred_user_id) values (${ada}, ${linus})`;
  await sql`update public.discussions set expires_at = '2099-01-08T00:00:00.5Z', extended = true`;
  const [account] = await sql<{ email: string; code: string }[]>`
    select a.email, (select referral_code from public.users where id = ${ada}) as code from auth.users a where id = ${linus}`;
  assert.deepEqual(await emitted(sql), [
    {
      event: "user.joined_platform",
      actor_user_id: linus,
      data: { user_id: linus, email: account!.email, name: "Linus" },
    },
    ...[ada, grace].map((user, place) => ({
      event: "user.joined_community",
      actor_user_id: user,
      data: {
        community_id: community,
        community_name: "Board Games",
        community_city: "Zürich",
        member_count: place + 1,
      },
    })),
    {
      event: "user.registered_event",
      actor_user_id: grace,
      data: { event_id: event, registration_id: registration, payment_id: null, status: "registered" },
    },
    {
      event: "user.cancelled_registration",
      actor_user_id: grace,
      data: { event_id: event, registration_id: registration },
    },
    {
      event: "user.posted_comment",
      actor_user_id: grace,
      data: { discussion_id: discussion, comment_id: comment!.id, comment_text: '🎲 "yes"' },
    },
    {
      event: "user.flagged_comment",
      actor_user_id: ada,
      data: { comment_id: comment!.id, flagged_user_id: grace, reason: "spam" },
    },
    {
      event: "user.referred_user",
      actor_user_id: linus,
      data: { referred_user_id: linus, referrer_id: ada, referral_code: account!.code },
    },
    {
      event: "discussion.extended",
      actor_user_id: ada,
      data: { discussion_id: discussion, new_expires_at: "2099-01-08T00:00:00.500000Z" },
    },
  ]);
  assert.deepEqual(await problems(sql), []);
});

databaseTest("an event by a trigger looks as one by dispatch_webhook", async ({ sql }) => {
  const app = await startEmission(sql, ["user.registered_event", "order.paid"]);
  await insertEndpoint(sql, { url: "https://b.example/", events: ["user.registered_event"] });
  await insertEndpoint(sql, {
    url: "https://off.example/",
    events: ["user.registered_event"],
    is_active: false,
  });
  await dispatch(sql, "order.paid", { n: 1 });
  await register(sql, app);
  const rows = await sql<
    { event_type: string; status: string; attempts: number; payload: Record<string, unknown> }[]
  >`
    select event_type, status, attempts, payload from public.webhook_deliveries order by ctid`;
  assert.deepEqual(rows.map((row) => row.event_type), [
    "order.paid",
    "user.registered_event",
    "user.registered_event",
  ]);
  for (const { status, attempts, payload } of rows) {
    assert.deepEqual([status, attempts], ["pending", 0]);
    assert.deepEqual(Object.keys(payload).toSorted(), [
      "actor_user_id",
      "data",
      "event",
      "request_id",
      "timestamp",
    ]);
    assert.match(String(payload.timestamp), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  }
  // One event for both of its endpoints.
  assert.equal(rows[1]!.payload.request_id, rows[2]!.payload.request_id);
  assert.notEqual(rows[0]!.payload.request_id, rows[1]!.payload.request_id);
});

databaseTest("a signed-in user is the actor, whoever the row is about", async ({ sql }) => {
  const app = await startEmission(sql);
  await as(sql, "authenticated", app.ada, (tx) => register(tx, app));
  await as(sql, "service_role", null, (tx) => register(tx, app));
  assert.deepEqual((await emitted(sql)).map((one) => one.actor_user_id), [app.ada, app.grace]);
});

databaseTest("registrations: what becomes of a status", async ({ sql }) => {
  const app = await startEmission(sql);
  const changes: [string | null, string | null, string | null][] = [
    [null, "registered", "user.registered_event"],
    [null, "success", "user.registered_event"],
    [null, "pending", null],
    [null, "failed", null],
    [null, "unregistered", null],
    ["pending", "success", "user.registered_event"],
    ["failed", "success", "user.registered_event"],
    ["unregistered", "registered", "user.registered_event"],
    ["success", "registered", null],
    ["registered", "registered", null],
    ["registered", "unregistered", "user.cancelled_registration"],
    ["success", "unregistered", "user.cancelled_registration"],
    ["waitlisted", "unregistered", "user.cancelled_registration"],
    ["unregistered", "unregistered", null],
    ["pending", "unregistered", null],
    ["registered", null, "user.cancelled_registration"],
    ["success", null, "user.cancelled_registration"],
    ["unregistered", null, null],
    ["pending", null, null],
    ["failed", null, null],
  ];
  for (const [from, to, event] of changes) {
    const id = from === null ? null : await register(sql, app, from);
    await sql`delete from public.webhook_deliveries`;
    await sql`delete from webhooks.told`;
    if (id === null) await register(sql, app, to!);
    else if (to === null) await sql`delete from public.event_registrations where id = ${id}`;
    else await sql`update public.event_registrations set status = ${to} where id = ${id}`;
    const seen = (await emitted(sql)).map((one) => one.event);
    assert.deepEqual(seen, event === null ? [] : [event], `${from} to ${to}`);
  }
});

databaseTest("a status that is an enum is read as text", async ({ sql }) => {
  const app = await startEmission(sql);
  await sql.unsafe(`
    create type public.registration_status as enum ('pending', 'success', 'failed');
    alter table public.event_registrations alter status drop default,
      alter status type public.registration_status using 'pending'`);
  const id = await register(sql, app, "pending");
  await sql`update public.event_registrations set status = 'success' where id = ${id}`;
  assert.deepEqual((await emitted(sql)).map(({ event, data }) => [event, data.status]), [
    ["user.registered_event", "success"],
  ]);
  assert.deepEqual(await problems(sql), []);
});

databaseTest("only a later expiry extends a discussion", async ({ sql }) => {
  await startEmission(sql);
  await sql`update public.discussions set title = 'u'`;
  await sql`update public.discussions set expires_at = expires_at - interval '1 day'`;
  assert.deepEqual(await emitted(sql), []);
  await sql`update public.discussions set expires_at = expires_at + interval '1 second'`;
  assert.equal((await emitted(sql)).length, 1);
});

databaseTest("what is rolled back tells nothing", async ({ sql }) => {
  const app = await startEmission(sql);
  await sql.begin(async (tx) => {
    await register(tx, app);
    throw new Error("roll back");
  }).catch((error) => assert.equal(error.message, "roll back"));
  await sql.begin(async (tx) => {
    await tx.savepoint(async (inner) => {
      await register(inner, app);
      throw new Error("roll back");
    }).catch((error) => assert.equal(error.message, "roll back"));
    await register(tx, app);
  });
  assert.equal((await emitted(sql)).length, 1);
});

databaseTest("an event can be switched off, and then calls tell it", async ({ sql }) => {
  const app = await startEmission(sql);
  await sql`update webhooks.automatic_events set is_on = false where event_type = 'user.registered_event'`;
  const id = await register(sql, app);
  assert.deepEqual(await emitted(sql), []);
  await dispatch(sql, "user.registered_event", { registration_id: id });
  await sql`delete from public.event_registrations where id = ${id}`;
  assert.deepEqual((await emitted(sql)).map(({ event }) => event), [
    "user.registered_event",
    "user.cancelled_registration",
  ]);
});

databaseTest("events that cannot be queued break no write, and are made up for", async ({ sql }) => {
  const app = await startEmission(sql);
  await sql.unsafe(
    `alter table public.webhook_deliveries add constraint broken check (status = 'never') not valid`,
  );
  const id = await register(sql, app);
  await sql`update public.event_registrations set status = 'unregistered' where id = ${id}`;
  await sql`insert into public.community_members (user_id, community_id)
    select id, ${app.community} from public.users`;
  assert.deepEqual(await emitted(sql), []);
  const rows = await problems(sql);
  assert.deepEqual(rows.map(({ source, event_type }) => [source, event_type]), [
    ["emit", "user.registered_event"],
    ["emit", "user.cancelled_registration"],
    ["emit", "user.joined_community"],
  ]);
  assert(rows.every(({ message }) => message.includes('"broken"')), JSON.stringify(rows));
  await sql`alter table public.webhook_deliveries drop constraint broken`;
  const [made] =
    await sql`select webhooks.emit_lost()::integer as events, webhooks.emit_lost()::integer as again`;
  assert.deepEqual(made, { events: 4, again: 0 });
  const seen = await emitted(sql);
  assert.deepEqual(seen[0], {
    event: "user.registered_event",
    actor_user_id: app.grace,
    data: { event_id: app.event, registration_id: id, payment_id: null, status: "registered" },
  });
  const joined = seen.filter(({ event }) => event === "user.joined_community");
  assert.deepEqual(joined.map((one) => one.actor_user_id).toSorted(), [app.ada, app.grace].toSorted());
});

databaseTest("a trigger that fails breaks no write, and is recorded", async ({ sql }) => {
  const app = await startEmission(sql);
  await sql.unsafe(`
    alter table public.event_registrations rename payment_id to payment;
    alter table public.communities rename city to town;
    alter table public.users rename referral_code to code`);
  const id = await register(sql, app, "pending");
  await sql`update public.event_registrations set status = 'success' where id = ${id}`;
  await sql`update public.event_registrations set status = 'unregistered' where id = ${id}`;
  await sql`insert into public.community_members (user_id, community_id) values (${app.ada}, ${app.community})`;
  await sql`insert into public.referrals (referrer_id, referred_user_id) values (${app.ada}, ${app.grace})`;
  const rows = await problems(sql);
  const failed = rows.map(({ source, event_type }) => `${source}: ${event_type}`);
  assert.deepEqual([...new Set(failed)].toSorted(), [
    "webhooks_member_inserted: user.joined_community",
    "webhooks_referral_inserted: user.referred_user",
    "webhooks_registration_inserted: user.registered_event",
    "webhooks_registration_updated: user.registered_event",
  ]);
  // The other event of the same statement is not held up.
  assert.deepEqual((await emitted(sql)).map(({ event }) => event), ["user.cancelled_registration"]);
  const [row] = await sql`
    select (select count(*)::integer from public.community_members) as members,
      (select count(*)::integer from public.referrals) as referrals`;
  assert.deepEqual(row, { members: 1, referrals: 1 });
});

databaseTest(
  "10,000 rows of one statement are 10,000 events for each endpoint, and one statement",
  async ({ sql }) => {
    const app = await startEmission(sql, ["user.registered_event", "user.cancelled_registration"]);
    await insertEndpoint(sql, { url: "https://b.example/", events: ["user.registered_event"] });
    await sql.unsafe(`
    create table public.inserts (n integer);
    create function public.count_inserts() returns trigger language plpgsql as $$
      begin insert into public.inserts select count(*) from added; return null; end $$;
    create trigger count_inserts after insert on public.webhook_deliveries
      referencing new table as added for each statement execute function public.count_inserts()`);
    await sql`
    insert into public.event_registrations (user_id, event_id)
    select ${app.grace}, ${app.event} from generate_series(1, 10000)`;
    await sql`update public.event_registrations set status = 'unregistered'`;
    const statements = await sql`select n from public.inserts`;
    assert.deepEqual(statements.map((row) => row.n), [20_000, 10_000]);
    const [counts] = await sql`
    select count(distinct payload -> 'data' ->> 'registration_id')::integer as registrations,
      count(distinct payload ->> 'request_id')::integer as events from public.webhook_deliveries`;
    assert.deepEqual(counts, { registrations: 10_000, events: 20_000 });
  },
);

databaseTest("triggers are put where tables and columns are, and later where they come", async ({ sql }) => {
  await sql.unsafe(`
    drop table public.flags, public.referrals;
    alter table public.event_registrations drop column payment_id;
    alter table public.users drop column referral_code`);
  await migrate(sql, named("foundation", "emission"));
  const states = await sql<{ trigger_name: string; state: string }[]>`
    select trigger_name, state from webhooks.install_triggers()`;
  assert.deepEqual(Object.fromEntries(states.map((row) => [row.trigger_name, row.state])), {
    webhooks_user_inserted: "installed",
    webhooks_member_inserted: "installed",
    webhooks_registration_inserted: "left out: there is no event_registrations.payment_id",
    webhooks_registration_updated: "left out: there is no event_registrations.payment_id",
    webhooks_registration_deleted: "installed",
    webhooks_comment_inserted: "installed",
    webhooks_flag_inserted:
      "left out: there is no flags.comment_id, flags.flagged_by_id, flags.flagged_user_id, flags.reason",
    webhooks_referral_inserted:
      "left out: there is no referrals.referred_user_id, referrals.referrer_id, users.referral_code",
    webhooks_discussion_updated: "installed",
  });
  await sql`alter table public.event_registrations add column payment_id text`;
  const [again] = await sql`
    select count(*)::integer as installed from webhooks.install_triggers() where state = 'installed'`;
  assert.equal(again?.installed, 7);
});
