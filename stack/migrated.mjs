/**
 * `npm start -- --migrated`: the same system with the optional migrations. The application changes its tables and calls
 * nothing; triggers emit the events, and each commit wakes the dispatcher.
 */

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "./processes.mjs";
import { Failure } from "./say.mjs";

/** The job webhooks-dispatcher: every 30 seconds. */
const JOB_MS = 30_000;

const MIGRATIONS = join(ROOT, "supabase/migrations");

/**
 * Applies the migrations, and stand-ins for what only a Supabase project has: pg_net, Vault and pg_cron.
 *
 * @param {import("postgres").Sql} sql
 */
export async function migrate(sql) {
  const files = [join(ROOT, "stack/stand-ins.sql")];
  for (const name of (await readdir(MIGRATIONS)).sort()) files.push(join(MIGRATIONS, name));
  for (const file of files) await sql.begin((tx) => tx.file(file));
}

/**
 * Switches wake-ups on, sends what net.http_post queues, as pg_net's worker does, and runs the job that calls the
 * dispatcher, as pg_cron does.
 *
 * @param {import("postgres").Sql} sql its own, ended by `stop`
 * @param {{ url: string, key: string }} dispatcher
 * @returns {Promise<{ calls: () => Promise<number>, stop: () => Promise<void> }>} `calls`: how many there were.
 * `stop`: resolves when none is under way any more.
 */
export async function startWakeups(sql, { url, key }) {
  const underWay = new Set();
  const { unlisten } = await sql.listen("http_request", (id) => {
    // What fails is in the state that untilDelivered shows, as a call without an answer.
    const sent = send(sql, id).catch(() => {}).finally(() => underWay.delete(sent));
    underWay.add(sent);
  });
  await sql`select webhooks.enable_wakeup(${url}, ${key})`;
  const job = setInterval(() => sql`select webhooks.call_dispatcher()`.catch(() => {}), JOB_MS);
  return {
    calls: async () => (await sql`select webhooks.wakeup_state() as state`)[0].state.calls,
    stop: async () => {
      clearInterval(job);
      await unlisten();
      await Promise.allSettled(underWay);
      await sql.end();
    },
  };
}

async function send(sql, id) {
  const [request] = await sql`
    delete from net.http_request_queue where id = ${id} returning *, convert_from(body, 'UTF8') as text`;
  const response = await fetch(request.url, {
    method: request.method,
    headers: request.headers,
    body: request.text,
    signal: AbortSignal.timeout(request.timeout_milliseconds),
  });
  const content = await response.text();
  await sql`
    insert into net._http_response (id, status_code, content, timed_out)
    values (${id}, ${response.status}, ${content}, false)`;
}

/**
 * Causes the nine events by changes alone.
 *
 * @param {import("postgres").Sql} sql
 */
export async function causeChanges(sql) {
  /** One request of a signed-in user, as PostgREST runs it. */
  const as = (user, work) =>
    sql.begin(async (tx) => {
      await tx`select set_config('request.jwt.claims', ${JSON.stringify({ sub: user })}, true)`;
      await tx`set local role authenticated`;
      return await work(tx);
    });
  const signUp = async (name) => {
    const email = `${name.split(" ")[0].toLowerCase()}-${crypto.randomUUID().slice(0, 8)}@example.com`;
    const [{ id }] = await sql`insert into auth.users (email) values (${email}) returning id`;
    await sql`insert into public.users (id, name, referral_code) values (${id}, ${name}, ${crypto.randomUUID()})`;
    return id;
  };

  const grace = await signUp("Grace Example");
  const [{ id: ada }] = await sql`select id from public.users where role = 'admin' limit 1`;
  const [{ community }] = await sql`
    insert into public.communities (name, city) values ('Board Games Zürich', 'Zürich') returning id as community`;
  const [{ evening }] = await sql`
    insert into public.events (community_id, title, date_time, capacity)
    values (${community}, 'Games evening', now() + interval '7 days', 20) returning id as evening`;
  const [{ discussion }] = await sql`
    insert into public.discussions (community_id, title, created_by, expires_at)
    values (${community}, 'Which game next?', ${ada}, now() + interval '1 day') returning id as discussion`;

  await as(
    grace,
    (tx) => tx`insert into public.community_members (user_id, community_id) values (${grace}, ${community})`,
  );
  const [{ registration }] = await as(grace, (tx) =>
    tx`
    insert into public.event_registrations (user_id, event_id) values (${grace}, ${evening}) returning id as registration`);
  await as(grace, (tx) => tx`delete from public.event_registrations where id = ${registration}`);
  const [{ comment }] = await as(grace, (tx) =>
    tx`
    insert into public.discussion_comments (discussion_id, user_id, text)
    values (${discussion}, ${grace}, 'Count me in – see you on Friday! 🎲') returning id as comment`);
  await as(ada, (tx) =>
    tx`
    insert into public.flags (flagged_user_id, flagged_by_id, comment_id, reason)
    values (${grace}, ${ada}, ${comment}, 'spam')`);
  await as(
    grace,
    (tx) => tx`insert into public.referrals (referrer_id, referred_user_id) values (${ada}, ${grace})`,
  );
  await as(ada, (tx) =>
    tx`
    update public.discussions set expires_at = expires_at + interval '7 days', extended = true
    where id = ${discussion}`);
  await sql`
    insert into public.discussions (community_id, title, created_by, expires_at)
    values (${community}, 'Last week''s game', ${ada}, now() - interval '1 minute')`;
  // What pg_cron runs every hour.
  await sql`select webhooks.close_expired_discussions()`;
}

/** How long it may take to deliver everything: two runs of the job, if a wake-up came just too late. */
const PATIENCE_MS = 60_000;

/**
 * Until nothing is pending.
 *
 * @param {import("postgres").Sql} sql
 */
export async function untilDelivered(sql) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const [{ pending }] = await sql`
      select count(*)::integer as pending from public.webhook_deliveries where status = 'pending'`;
    if (pending === 0) return;
    if (Date.now() > end) {
      const [{ state }] = await sql`select webhooks.wakeup_state() as state`;
      throw new Failure(`${pending} deliveries were not delivered; wake-ups: ${JSON.stringify(state)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
