/** discussion.auto_closed out of the database: once for each expiry, whoever else announces it. */

import assert from "node:assert/strict";
import type postgres from "postgres";
import { startEmission } from "../../support/app.ts";
import { databaseTest } from "../../support/database.ts";
import { emitted } from "../../support/migrations.ts";

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
  await startEmission(sql);
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
    await startEmission(sql);
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
