/** A change and the application's own call of dispatch_webhook are one event. */

import assert from "node:assert/strict";
import type postgres from "postgres";
import { dispatch, problems, register, startEmission } from "../../support/app.ts";
import { databaseTest } from "../../support/database.ts";
import { as, emitted } from "../../support/migrations.ts";

databaseTest("a change and the application's call are one event, in either order", async ({ sql }) => {
  const app = await startEmission(sql);
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
  const { ada, grace, community, event, discussion } = await startEmission(sql);
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
  const { ada, grace } = await startEmission(sql);
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
  const app = await startEmission(sql);
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
    const app = await startEmission(sql);
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
  await startEmission(sql, ["order.paid", "user.registered_event"]);
  for (let n = 0; n < 2; n++) await dispatch(sql, "order.paid", { registration_id: "1" });
  for (let n = 0; n < 2; n++) await dispatch(sql, "user.registered_event", { n });
  assert.equal((await emitted(sql)).length, 4);
});

databaseTest(
  "where the memory of what was told fails, an event is told rather twice than never",
  async ({ sql }) => {
    const app = await startEmission(sql);
    await sql`alter table webhooks.told rename to forgotten`;
    const id = await register(sql, app);
    await dispatch(sql, "user.registered_event", { registration_id: id });
    assert.equal((await emitted(sql)).length, 2);
    assert.deepEqual((await problems(sql)).map(({ source }) => source), ["duplicates", "dispatch_webhook"]);
  },
);

databaseTest("what was told is forgotten by and by", async ({ sql }) => {
  const app = await startEmission(sql);
  await sql`
    insert into webhooks.told (event_type, subject, seen_at)
    select 'user.registered_event', n::text, now() - interval '1 day' from generate_series(1, 30) n`;
  for (let n = 0; n < 3; n++) await register(sql, app);
  const [row] = await sql`select count(*)::integer as rows from webhooks.told`;
  assert.equal(row?.rows, 3);
});
