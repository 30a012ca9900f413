/** New deliveries wake the dispatcher: once for many, with no secret in sight, and never at a writer's cost. */

import assert from "node:assert/strict";
import type postgres from "postgres";
import { databaseTest, insertDeliveries, insertEndpoint } from "../../support/database.ts";
import {
  as,
  catalog,
  difference,
  migrate,
  MIGRATIONS,
  named,
  rollBack,
  SAME,
  signUp,
} from "../../support/migrations.ts";

const STAND_INS = new URL("../../../stack/stand-ins.sql", import.meta.url);
const URL_OF_DISPATCHER = "https://project.supabase.co/functions/v1/webhook-dispatcher";
const KEY = "sb_secret_0123456789abcdef";

const standIns = async (sql: postgres.Sql) => await sql.unsafe(await Deno.readTextFile(STAND_INS));

/** Everything that a Supabase project has, wake-ups on, and an endpoint. */
async function start(sql: postgres.Sql, migrations = named("foundation", "wakeup")): Promise<string> {
  await standIns(sql);
  await migrate(sql, migrations);
  await enable(sql);
  return await insertEndpoint(sql, { url: "https://a.example/" });
}

const enable = async (sql: postgres.Sql, url: string | null = URL_OF_DISPATCHER, key: string | null = KEY) =>
  (await sql`select webhooks.enable_wakeup(${url}, ${key}) as state`)[0]!.state as Record<string, unknown>;

const state = async (sql: postgres.Sql) =>
  (await sql`select webhooks.wakeup_state() as state`)[0]!.state as Record<string, unknown>;

async function requests(sql: postgres.Sql) {
  return [
    ...await sql<{ url: string; headers: Record<string, string>; body: string; timeout: number }[]>`
    select url, headers, convert_from(body, 'UTF8') as body, timeout_milliseconds as timeout
    from net.http_request_queue order by id`,
  ];
}

/** The time passes within which one call stands for all, and all are answered. */
const later = async (sql: postgres.Sql) => {
  await sql`update webhooks.wakeup set last_call_at = last_call_at - interval '1 hour'`;
  await answerAll(sql);
};

/** What pg_net has sent is answered. */
const answerAll = (sql: postgres.Sql) =>
  sql`
  insert into net._http_response (id, status_code, timed_out)
  select q.id, 200, false from net.http_request_queue q
  where not exists (select from net._http_response r where r.id = q.id)`;

async function problems(sql: postgres.Sql): Promise<string[]> {
  return (await sql`select message from webhooks.problems order by id`).map(({ message }) => message);
}

databaseTest("a new delivery calls the dispatcher, with URL and key from Vault", async ({ sql }) => {
  const endpoint = await start(sql);
  await insertDeliveries(sql, endpoint);
  const headers = { "Content-Type": "application/json", apikey: KEY };
  assert.deepEqual(await requests(sql), [{ url: URL_OF_DISPATCHER, headers, body: "{}", timeout: 60_000 }]);
  await later(sql);
  await enable(sql, null, "eyJhbGciOiJIUzI1NiJ9.e30.signature");
  await insertDeliveries(sql, endpoint);
  const [, legacy] = await requests(sql);
  assert.deepEqual(legacy!.headers, {
    "Content-Type": "application/json",
    Authorization: "Bearer eyJhbGciOiJIUzI1NiJ9.e30.signature",
  });
  assert.deepEqual(await problems(sql), []);
  const [row] = await sql`select count(*)::integer as rows from webhooks.wakeup_calls`;
  assert.equal(row?.rows, 0);
});

databaseTest("a burst is one call, in a transaction and in many", async ({ sql }) => {
  const endpoint = await start(sql);
  await sql`update webhooks.settings set wakeup_interval = '1 minute'`;
  await sql.begin(async (tx) => {
    for (let n = 0; n < 20; n++) await insertDeliveries(tx, endpoint, 500);
    assert.equal((await tx`select from net.http_request_queue`).length, 0, "not before the commit");
  });
  assert.equal((await requests(sql)).length, 1);
  await Promise.all(Array.from({ length: 40 }, () => insertDeliveries(sql, endpoint)));
  assert.equal((await requests(sql)).length, 1);
  await later(sql);
  await insertDeliveries(sql, endpoint);
  assert.equal((await requests(sql)).length, 2);
  assert.equal((await state(sql)).calls, 2);
});

databaseTest("no more calls run at once than may", async ({ sql }) => {
  const endpoint = await start(sql);
  await sql`update webhooks.settings set wakeup_interval = '0', wakeup_most_running = 2`;
  for (let n = 0; n < 5; n++) await insertDeliveries(sql, endpoint);
  assert.equal((await requests(sql)).length, 2);
  await sql`
    insert into net._http_response (id, status_code, timed_out)
    select min(id), 200, false from net.http_request_queue`;
  for (let n = 0; n < 5; n++) await insertDeliveries(sql, endpoint);
  assert.equal((await requests(sql)).length, 3, "one was answered");
  // What has no answer after a minute never gets one.
  await sql`
    update webhooks.wakeup set requested_at = array(select at - interval '61 s' from unnest(requested_at) at)`;
  await insertDeliveries(sql, endpoint);
  assert.equal((await requests(sql)).length, 4);
});

databaseTest("every transaction calls, once, where no call stands for others", async ({ sql }) => {
  const endpoint = await start(sql);
  await sql`update webhooks.settings set wakeup_interval = '0'`;
  for (let n = 0; n < 5; n++) {
    await insertDeliveries(sql, endpoint);
    await answerAll(sql);
  }
  assert.equal((await requests(sql)).length, 5);
  await sql.begin(async (tx) => {
    for (let n = 0; n < 20; n++) await insertDeliveries(tx, endpoint);
  });
  assert.equal((await requests(sql)).length, 6);
});

databaseTest("what is rolled back calls nobody; what a savepoint leaves does", async ({ sql }) => {
  const endpoint = await start(sql);
  await assert.rejects(
    sql.begin(async (tx) => {
      await insertDeliveries(tx, endpoint);
      throw new Error("roll back");
    }),
    /roll back/,
  );
  assert.equal((await requests(sql)).length, 0);
  await sql.begin(async (tx) => {
    await assert.rejects(
      tx.savepoint(async (inner) => {
        await insertDeliveries(inner, endpoint);
        throw new Error("roll back");
      }),
      /roll back/,
    );
    await insertDeliveries(tx, endpoint);
  });
  assert.equal((await requests(sql)).length, 1);
});

databaseTest(
  "only what is due calls: no test that is under way, nothing that is not pending",
  async ({ sql, store }) => {
    const endpoint = await start(sql);
    await store.insertClaimed({ endpointId: endpoint, eventType: "webhook.test", payload: "{}" });
    await sql`
    insert into public.webhook_deliveries (webhook_config_id, event_type, payload, status)
    values (${endpoint}, 'order.paid', '{}', 'delivered')`;
    assert.deepEqual(await requests(sql), []);
  },
);

databaseTest("a writer waits for no other, whatever that one holds", async ({ sql }) => {
  const endpoint = await start(sql);
  await sql`update webhooks.settings set wakeup_interval = '0'`;
  // One holds the row of the last call and the turn to call; whoever waits now waits for ever.
  await sql.begin(async (holder) => {
    await holder`select from webhooks.wakeup for update`;
    await insertDeliveries(sql, endpoint);
    assert.equal((await requests(sql)).length, 1);
    await holder`select pg_advisory_xact_lock(hashtextextended('webhooks-wakeup', 0))`;
    await insertDeliveries(sql, endpoint);
    assert.equal((await requests(sql)).length, 1, "the holder calls when it commits");
  });
  const rows = await sql`select from public.webhook_deliveries`;
  assert.equal(rows.length, 2);
  await sql.begin("isolation level serializable", (tx) => insertDeliveries(tx, endpoint));
  assert.deepEqual(await problems(sql), []);
});

databaseTest("a wake-up that fails breaks no write, and is recorded", async ({ sql }) => {
  const endpoint = await start(sql);
  await sql`delete from vault.secrets`;
  await insertDeliveries(sql, endpoint);
  assert.deepEqual(await problems(sql), [
    "Vault has no webhooks_dispatcher_url or no webhooks_dispatcher_key",
  ]);
  await sql.unsafe("drop schema vault cascade; drop schema net cascade");
  await insertDeliveries(sql, endpoint);
  assert.equal((await problems(sql)).length, 2);
  const [row] =
    await sql`select count(*)::integer as rows, (select count(*)::integer from webhooks.wakeup_calls) as calls
    from public.webhook_deliveries`;
  assert.deepEqual(row, { rows: 2, calls: 0 });
});

databaseTest(
  "events of users wake the dispatcher, who have no right to do so themselves",
  async ({ sql }) => {
    await start(sql, MIGRATIONS.slice(1));
    const grace = await signUp(sql, "Grace");
    await insertEndpoint(sql, {
      url: "https://a.example/",
      events: ["user.posted_comment", "user.joined_community"],
    });
    await as(
      sql,
      "authenticated",
      grace,
      (tx) => tx`select public.dispatch_webhook('user.posted_comment', '{}')`,
    );
    assert.equal((await requests(sql)).length, 1);
    await later(sql);
    const [community] = await sql`insert into public.communities (name, city) values ('c', 'c') returning id`;
    await as(
      sql,
      "authenticated",
      grace,
      (tx) =>
        tx`insert into public.community_members (user_id, community_id) values (${grace}, ${community!.id})`,
    );
    assert.equal((await requests(sql)).length, 2);
    assert.deepEqual(await problems(sql), []);
  },
);

databaseTest("a replay wakes the dispatcher, a dry run does not", async ({ sql }) => {
  const endpoint = await start(sql, named("foundation", "wakeup", "operations"));
  await insertDeliveries(sql, endpoint);
  await later(sql);
  await sql`update public.webhook_deliveries set status = 'failed', error_message = 'gave up'`;
  await sql`select webhooks.replay_webhooks(endpoint_id => ${endpoint}, dry_run => true)`;
  assert.equal((await requests(sql)).length, 1);
  await sql`select webhooks.replay_webhooks(endpoint_id => ${endpoint})`;
  assert.equal((await requests(sql)).length, 2);
});

databaseTest("the jobs: every 30 seconds as a net, and hourly; all off with one call", async ({ sql }) => {
  await start(sql, MIGRATIONS.slice(1));
  const { jobs } = await state(sql);
  assert.deepEqual(jobs, [
    { name: "webhooks-close-discussions", schedule: "0 * * * *" },
    { name: "webhooks-dispatcher", schedule: "30 seconds" },
    { name: "webhooks-metrics", schedule: "5 * * * *" },
    { name: "webhooks-prune", schedule: "*/10 * * * *" },
  ]);
  // What pg_cron would run does run.
  for (const { command } of await sql`select command from cron.job order by jobname`) {
    await sql.unsafe(command);
  }
  assert.equal((await requests(sql)).length, 1);
  await sql`insert into cron.job (jobname, schedule, command) values ('somebody else''s', '* * * * *', 'select 1')`;
  const [off] = await sql`select webhooks.disable_wakeup() as state`;
  assert.deepEqual([off!.state.is_on, off!.state.jobs], [false, []]);
  assert.equal((await sql`select from cron.job`).length, 1);
  await insertDeliveries(sql, await insertEndpoint(sql, { url: "https://b.example/" }));
  assert.equal((await requests(sql)).length, 1);
  // The secrets are still there.
  assert.equal((await enable(sql, null, null)).is_on, true);
});

databaseTest("a pg_cron that knows no seconds runs every minute", async ({ sql }) => {
  await standIns(sql);
  await sql.unsafe(`
    create or replace function cron.schedule(job_name text, schedule text, command text) returns bigint language plpgsql as $$
    begin
      if schedule !~ '^(\\S+ ){4}\\S+$' then raise exception 'invalid schedule: %', schedule; end if;
      insert into cron.job (jobname, schedule, command) values (job_name, schedule, command);
      return 1;
    end $$`);
  await migrate(sql, named("foundation", "wakeup"));
  assert.deepEqual((await enable(sql)).jobs, [{ name: "webhooks-dispatcher", schedule: "* * * * *" }]);
});

databaseTest("the state shows the last call and its answer", async ({ sql }) => {
  const endpoint = await start(sql);
  const jobs = [{ name: "webhooks-dispatcher", schedule: "30 seconds" }];
  const before = { is_on: true, calls: 0, last_call_at: null, last_answer: null, jobs, missing: [] };
  assert.deepEqual(await state(sql), before);
  await insertDeliveries(sql, endpoint);
  await sql`
    insert into net._http_response (id, status_code, timed_out)
    select id, 401, false from net.http_request_queue`;
  const { last_call_at, ...rest } = await state(sql);
  assert.equal(typeof last_call_at, "string");
  const answer = { status: 401, timed_out: false, error: null };
  const { last_call_at: _, ...unchanged } = before;
  assert.deepEqual(rest, { ...unchanged, calls: 1, last_answer: answer });
});

databaseTest(
  "no secret stands in a function, a trigger, a job, a table of ours or a state",
  async ({ sql }) => {
    const endpoint = await start(sql, MIGRATIONS.slice(1));
    await insertDeliveries(sql, endpoint);
    const everywhere = [
      ...await catalog(sql),
      JSON.stringify([...await sql`select * from cron.job`]),
      JSON.stringify(await state(sql)),
      JSON.stringify([
        ...await sql`select * from webhooks.wakeup`,
        ...await sql`select * from webhooks.settings`,
      ]),
      JSON.stringify([...await sql`select * from webhooks.problems`]),
    ];
    assert(everywhere.every((text) => !text.includes(KEY) && !text.includes("project.supabase.co")));
  },
);

databaseTest(
  "what is missing is said when wake-ups are switched on, and nothing else is in the way",
  async ({ sql }) => {
    await migrate(sql, named("foundation", "wakeup"));
    const endpoint = await insertEndpoint(sql, { url: "https://a.example/" });
    await insertDeliveries(sql, endpoint);
    assert.deepEqual((await state(sql)).missing, ["pg_net", "supabase_vault", "pg_cron"]);
    await assert.rejects(enable(sql), (error: postgres.PostgresError) => {
      assert.equal(error.message, "enable_wakeup: missing: pg_net, supabase_vault, pg_cron");
      assert.match(error.hint!, /create extension pg_net/);
      return true;
    });
    assert.equal((await sql`select webhooks.disable_wakeup() as state`)[0]!.state.is_on, false);
    await standIns(sql);
    await sql`drop schema cron cascade`;
    const { is_on, missing, jobs } = await enable(sql);
    assert.deepEqual([is_on, missing, jobs], [true, ["pg_cron"], []]);
    await insertDeliveries(sql, endpoint);
    assert.equal((await requests(sql)).length, 1);
  },
);

databaseTest("a wrong URL or key is refused, and not shown", async ({ sql }) => {
  await standIns(sql);
  await migrate(sql, named("foundation", "wakeup"));
  const cases: [string | null, string | null, RegExp][] = [
    [
      "project.supabase.co",
      KEY,
      /^enable_wakeup: url is no URL of a function; expected one like https:\/\/PROJECT/,
    ],
    ["https://user:hidden@a.example/x", KEY, /^enable_wakeup: url is no URL of a function/],
    [URL_OF_DISPATCHER, "hidden", /^enable_wakeup: key is no key; expected a secret key/],
    [
      URL_OF_DISPATCHER,
      null,
      /^enable_wakeup: Vault has no webhooks_dispatcher_url or no webhooks_dispatcher_key/,
    ],
    [null, null, /^enable_wakeup: Vault has no/],
  ];
  for (const [url, key, message] of cases) {
    await assert.rejects(enable(sql, url, key), (error: postgres.PostgresError) => {
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /hidden/);
      return true;
    });
  }
  assert.equal((await state(sql)).is_on, false);
  assert.equal((await sql`select from vault.secrets`).length, 0);
});

databaseTest("the way back ends the jobs", async ({ sql }) => {
  await standIns(sql);
  const before = await catalog(sql);
  await migrate(sql);
  await enable(sql);
  await rollBack(sql, named("operations"));
  await rollBack(sql, named("emission"));
  assert.deepEqual((await state(sql)).jobs, [{ name: "webhooks-dispatcher", schedule: "30 seconds" }]);
  await rollBack(sql);
  assert.equal((await sql`select from cron.job`).length, 0);
  assert.deepEqual(difference(before, await catalog(sql)), SAME);
});
