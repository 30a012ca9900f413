/** Events by triggers: each change tells its event, once, whoever else tells it, and no trigger breaks a write. */

import assert from "node:assert/strict";
import type postgres from "postgres";
import { databaseTest, insertEndpoint } from "../../support/database.ts";
import { as, emitted, migrate, named, signUp } from "../../support/migrations.ts";

const NINE = [
  "user.joined_platform",
  "user.joined_community",
  "user.registered_event",
  "user.cancelled_registration",
  "user.posted_comment",
  "user.flagged_comment",
  "user.referred_user",
  "discussion.extended",
  "discussion.auto_closed",
];

interface App {
  ada: string;
  grace: string;
  community: string;
  event: string;
  discussion: string;
}

/** The application with two users, before anybody listens. */
async function makeApp(sql: postgres.Sql): Promise<App> {
  const ada = await signUp(sql, "Ada");
  const grace = await signUp(sql, "Grace");
  const [row] = await sql<{ community: string; event: string; discussion: string }[]>`
    with c as (insert into public.communities (name, city) values ('Board Games', 'Zürich') returning id),
      e as (insert into public.events (community_id, title, date_time) select id, 't', now() from c returning id),
      d as (insert into public.discussions (community_id, title, created_by, expires_at)
        select id, 't', ${ada}, '2099-01-01T00:00:00Z' from c returning id)
    select c.id as community, e.id as event, d.id as discussion from c, e, d`;
  return { ada, grace, ...row! };
}

/** The migration, the application and somebody who listens. */
async function start(sql: postgres.Sql, events: readonly string[] = NINE): Promise<App> {
  await migrate(sql, named("foundation", "emission"));
  const app = await makeApp(sql);
  await insertEndpoint(sql, { url: "https://a.example/", events: [...events] });
  return app;
}

async function problems(
  sql: postgres.Sql,
): Promise<{ source: string; event_type: string; message: string }[]> {
  return [
    ...await sql<{ source: string; event_type: string; message: string }[]>`
    select source, event_type, message from webhooks.problems order by id`,
  ];
}

const dispatch = (
  sql: postgres.Sql | postgres.TransactionSql,
  event: string,
  data: unknown,
  actor: string | null = null,
) => sql`select public.dispatch_webhook(${event}, ${JSON.stringify(data)}::text::jsonb, ${actor}::uuid)`;

async function register(
  sql: postgres.Sql | postgres.TransactionSql,
  app: App,
  status = "registered",
): Promise<string> {
  const [row] = await sql<{ id: string }[]>`
    insert into public.event_registrations (user_id, event_id, status) values (${app.grace}, ${app.event}, ${status})
    returning id`;
  return row!.id;
}

databaseTest("every change tells its event, with the data of the table of nine", async ({ sql }) => {
  const app = await start(sql);
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
  const app = await start(sql, ["user.registered_event", "order.paid"]);
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
  const app = await start(sql);
  await as(sql, "authenticated", app.ada, (tx) => register(tx, app));
  await as(sql, "service_role", null, (tx) => register(tx, app));
  assert.deepEqual((await emitted(sql)).map((one) => one.actor_user_id), [app.ada, app.grace]);
});

databaseTest("registrations: what becomes of a status", async ({ sql }) => {
  const app = await start(sql);
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
  const app = await start(sql);
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
  await start(sql);
  await sql`update public.discussions set title = 'u'`;
  await sql`update public.discussions set expires_at = expires_at - interval '1 day'`;
  assert.deepEqual(await emitted(sql), []);
  await sql`update public.discussions set expires_at = expires_at + interval '1 second'`;
  assert.equal((await emitted(sql)).length, 1);
});

databaseTest("what is rolled back tells nothing", async ({ sql }) => {
  const app = await start(sql);
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

databaseTest("a change and the application's call are one event, in either order", async ({ sql }) => {
  const app = await start(sql);
  const call = (id: string, tx: postgres.Sql | postgres.TransactionSql = sql) =>
    dispatch(tx, "user.registered_event", { registration_id: id.toUpperCase(), event_id: app.event });
  const count = async () => (await emitted(sql)).length;
  await call(await register(sql, app));
  assert.equal(await count(), 1, "the change first");
  await sql.begin(async (tx) => {
    await call(await register(tx, app), tx);
  });
  assert.equal(await count(), 2, "the change first, in its transaction");
  const [one, two] = [crypto.randomUUID(), crypto.randomUUID()];
  const insert = (tx: postgres.Sql | postgres.TransactionSql, id: string) =>
    tx`insert into public.event_registrations (id, user_id, event_id) values (${id}, ${app.grace}, ${app.event})`;
  await call(one);
  await insert(sql, one);
  assert.equal(await count(), 3, "the call first");
  await sql.begin(async (tx) => {
    await call(two, tx);
    await insert(tx, two);
  });
  assert.equal(await count(), 4, "the call first, in its transaction");
  // The same registration again is another event each time: one call stands for one change.
  for (const status of ["unregistered", "registered", "unregistered", "registered"]) {
    await sql`update public.event_registrations set status = ${status} where id = ${two}`;
  }
  assert.equal(await count(), 8);
  await call(two);
  assert.equal(await count(), 8);
});

databaseTest("all seven events that pages tell, too, are told once", async ({ sql }) => {
  const { ada, grace, community, event, discussion } = await start(sql);
  const id = crypto.randomUUID();
  const pairs: [
    string,
    Record<string, unknown>,
    string,
    (tx: postgres.TransactionSql) => Promise<unknown>,
  ][] = [
    [
      "user.joined_community",
      { community_id: community, member_count: 1 },
      grace,
      (tx) =>
        tx`insert into public.community_members (user_id, community_id) values (${grace}, ${community})`,
    ],
    [
      "user.registered_event",
      { registration_id: id },
      grace,
      (tx) =>
        tx`insert into public.event_registrations (id, user_id, event_id) values (${id}, ${grace}, ${event})`,
    ],
    [
      "user.cancelled_registration",
      { registration_id: id },
      grace,
      (tx) => tx`delete from public.event_registrations where id = ${id}`,
    ],
    [
      "user.posted_comment",
      { comment_id: id },
      grace,
      (tx) =>
        tx`insert into public.discussion_comments (id, discussion_id, user_id, text)
          values (${id}, ${discussion}, ${grace}, 't')`,
    ],
    [
      "user.flagged_comment",
      { comment_id: id },
      ada,
      (tx) =>
        tx`insert into public.flags (flagged_user_id, flagged_by_id, comment_id, reason)
          values (${grace}, ${ada}, ${id}, 'spam')`,
    ],
    [
      "user.referred_user",
      { referred_user_id: grace, referrer_id: ada },
      grace,
      (tx) => tx`insert into public.referrals (referrer_id, referred_user_id) values (${ada}, ${grace})`,
    ],
    [
      "discussion.extended",
      { discussion_id: discussion, new_expires_at: "2099-02-01T00:00:00.000Z" },
      ada,
      (tx) => tx`update public.discussions set expires_at = '2099-02-01T00:00:00Z' where id = ${discussion}`,
    ],
  ];
  for (const [name, data, user, change] of pairs) {
    await as(sql, "authenticated", user, change);
    // Without an actor the signed-in user is meant.
    await as(sql, "authenticated", user, (tx) => dispatch(tx, name, data));
    assert.equal((await emitted(sql, name)).length, 1, name);
  }
  assert.equal((await emitted(sql)).length, 7);
});

databaseTest("apply_referral_code tells user.referred_user by itself, and is told once", async ({ sql }) => {
  const { ada, grace } = await start(sql);
  await sql.unsafe(`
    create function public.apply_referral_code(code text) returns void language plpgsql security definer as $$
    declare referrer uuid := (select id from public.users where referral_code = code);
    begin
      insert into public.referrals (referrer_id, referred_user_id) values (referrer, auth.uid());
      update public.users set referred_by = referrer where id = auth.uid();
      perform public.dispatch_webhook('user.referred_user', jsonb_build_object(
        'referred_user_id', auth.uid(), 'referrer_id', referrer, 'referral_code', code), auth.uid());
    end $$`);
  await sql`update public.users set referral_code = 'ADA' where id = ${ada}`;
  await as(sql, "authenticated", grace, (tx) => tx`select public.apply_referral_code('ADA')`);
  assert.deepEqual(await emitted(sql), [{
    event: "user.referred_user",
    actor_user_id: grace,
    data: { referred_user_id: grace, referrer_id: ada, referral_code: "ADA" },
  }]);
});

databaseTest("beyond the window a call is an event of its own", async ({ sql }) => {
  const app = await start(sql);
  const id = await register(sql, app);
  await sql`update webhooks.told set changed_at = changed_at - interval '61 seconds', changed_in = null`;
  await dispatch(sql, "user.registered_event", { registration_id: id });
  assert.equal((await emitted(sql)).length, 2);
  await sql`update webhooks.settings set duplicate_window = '1 hour'`;
  await sql`update webhooks.told set changed_at = clock_timestamp() - interval '59 minutes'`;
  await dispatch(sql, "user.registered_event", { registration_id: id });
  assert.equal((await emitted(sql)).length, 2);
  await assert.rejects(
    sql`update webhooks.settings set duplicate_window = '2 days'`,
    /duplicate_window_up_to_a_day/,
  );
});

databaseTest(
  "a call waits for a change that is under way, and tells if that is rolled back",
  async ({ sql }) => {
    const app = await start(sql);
    for (const commits of [true, false]) {
      await sql`delete from public.webhook_deliveries`;
      let call: Promise<unknown> = Promise.resolve();
      const change = sql.begin(async (tx) => {
        const id = await register(tx, app);
        call = dispatch(sql, "user.registered_event", { registration_id: id }).execute();
        await untilWaiting(sql);
        if (!commits) throw new Error("roll back");
      });
      if (commits) await change;
      else await assert.rejects(change, /roll back/);
      await call;
      assert.equal((await emitted(sql)).length, 1, `commits: ${commits}`);
    }
  },
);

/** Until a session of this database waits for a lock. */
async function untilWaiting(sql: postgres.Sql): Promise<void> {
  for (;;) {
    const [row] = await sql`
      select count(*)::integer as waiting from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`;
    if (row?.waiting > 0) return;
  }
}

databaseTest("calls that no trigger knows are told as ever", async ({ sql }) => {
  await start(sql, ["order.paid", "user.registered_event"]);
  for (let n = 0; n < 2; n++) await dispatch(sql, "order.paid", { registration_id: "1" });
  for (let n = 0; n < 2; n++) await dispatch(sql, "user.registered_event", { n });
  assert.equal((await emitted(sql)).length, 4);
});

databaseTest("an event can be switched off, and then calls tell it", async ({ sql }) => {
  const app = await start(sql);
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

databaseTest("a trigger that fails breaks no write, and is recorded", async ({ sql }) => {
  const app = await start(sql);
  await sql.unsafe(
    `alter table public.webhook_deliveries add constraint broken check (status = 'never') not valid`,
  );
  const id = await register(sql, app);
  await sql`update public.event_registrations set status = 'unregistered' where id = ${id}`;
  await sql`insert into public.community_members (user_id, community_id) values (${app.ada}, ${app.community})`;
  await sql`update public.discussions set expires_at = expires_at + interval '1 day'`;
  assert.deepEqual(await emitted(sql), []);
  const rows = await problems(sql);
  assert.deepEqual(rows.map(({ source, event_type }) => [source, event_type]), [
    ["webhooks_registration_inserted", "user.registered_event"],
    ["webhooks_registration_updated", "user.cancelled_registration"],
    ["webhooks_member_inserted", "user.joined_community"],
    ["webhooks_discussion_updated", "discussion.extended"],
  ]);
  assert(rows.every(({ message }) => message.includes('"broken"')), JSON.stringify(rows));
  const [row] = await sql`select status from public.event_registrations`;
  assert.equal(row?.status, "unregistered");
});

databaseTest(
  "where the memory of what was told fails, an event is told rather twice than never",
  async ({ sql }) => {
    const app = await start(sql);
    await sql`alter table webhooks.told rename to forgotten`;
    const id = await register(sql, app);
    await dispatch(sql, "user.registered_event", { registration_id: id });
    assert.equal((await emitted(sql)).length, 2);
    assert.deepEqual((await problems(sql)).map(({ source }) => source), ["duplicates", "dispatch_webhook"]);
  },
);

databaseTest(
  "10,000 rows of one statement are 10,000 events for each endpoint, and one statement",
  async ({ sql }) => {
    const app = await start(sql, ["user.registered_event", "user.cancelled_registration"]);
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

databaseTest("what was told is forgotten by and by", async ({ sql }) => {
  const app = await start(sql);
  await sql`
    insert into webhooks.told (event_type, subject, seen_at)
    select 'user.registered_event', n::text, now() - interval '1 day' from generate_series(1, 30) n`;
  for (let n = 0; n < 3; n++) await register(sql, app);
  const [row] = await sql`select count(*)::integer as rows from webhooks.told`;
  assert.equal(row?.rows, 3);
});

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

async function expire(sql: postgres.Sql, ago: string): Promise<string> {
  const [row] = await sql<{ id: string }[]>`
    insert into public.discussions (community_id, title, created_by, expires_at)
    select c.id, 'd', u.id, now() - ${ago}::text::interval from public.communities c, public.users u limit 1
    returning id`;
  return row!.id;
}

const close = async (sql: postgres.Sql) => {
  const [row] = await sql`select webhooks.close_expired_discussions() as closed`;
  return row?.closed as number;
};

databaseTest("an expiry is announced once, by the database or by the function", async ({ sql, store }) => {
  await start(sql);
  const id = await expire(sql, "1 minute");
  await expire(sql, "25 hours");
  assert.equal(await close(sql), 1);
  assert.equal(await close(sql), 0);
  assert.deepEqual((await store.closeExpired(86_400_000, 100)).discussionIds, []);
  const [{ at }] = await sql<[{ at: string }]>`
    select to_char(expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
    from public.discussions where id = ${id}`;
  const closed = {
    event: "discussion.auto_closed",
    actor_user_id: null,
    data: { discussion_id: id, closed_at: at },
  };
  assert.deepEqual(await emitted(sql), [closed]);
  const other = await expire(sql, "2 minutes");
  assert.deepEqual((await store.closeExpired(86_400_000, 100)).discussionIds, [other]);
  assert.equal(await close(sql), 0);
  // Extended, and expired again.
  await sql`update public.discussions set expires_at = now() + interval '1 hour' where id = ${id}`;
  assert.equal(await close(sql), 0);
  await sql`update public.discussions set expires_at = now() - interval '1 second' where id = ${id}`;
  assert.equal(await close(sql), 1);
  await sql`update webhooks.settings set close_lookback = '2 days'`;
  assert.equal(await close(sql), 1);
});

databaseTest(
  "runs at once announce each expiry once, and a discussion that is being extended waits",
  async ({ sql }) => {
    await start(sql);
    for (let n = 0; n < 10; n++) await expire(sql, "1 minute");
    const runs = await Promise.all(Array.from({ length: 4 }, () => close(sql)));
    assert.equal(runs.reduce((sum, closed) => sum + closed, 0), 10);
    assert.equal((await emitted(sql, "discussion.auto_closed")).length, 10);
    const id = await expire(sql, "1 minute");
    await sql.begin(async (tx) => {
      await tx`update public.discussions set expires_at = now() + interval '1 hour' where id = ${id}`;
      assert.equal(await close(sql), 0);
    });
    assert.equal(await close(sql), 0);
    await assert.rejects(
      sql.begin("isolation level repeatable read", (tx) => tx`select webhooks.close_expired_discussions()`),
      /needs the isolation level read committed/,
    );
  },
);
