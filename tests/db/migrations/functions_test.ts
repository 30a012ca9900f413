/** The functions work as before with every migration: they ask for none and mind none. */

import assert from "node:assert/strict";
import { createHandler as createCloser } from "../../../functions/close-expired-discussions/handler.ts";
import { createHandler as createTester } from "../../../functions/test-webhook/handler.ts";
import { createHandler as createDispatcher } from "../../../functions/webhook-dispatcher/handler.ts";
import { createHandler as createHealth } from "../../../functions/webhook-health/handler.ts";
import { dispatch, register, startEmission } from "../../support/app.ts";
import { databaseTest, deliveries } from "../../support/database.ts";
import { migrate, MIGRATIONS } from "../../support/migrations.ts";
import { withReceiver } from "../../support/receiver.ts";
import { post, testRuntime } from "../../support/runtime.ts";

databaseTest("a change is delivered, fails, is replayed, tested, counted and closed", async (database) => {
  const { sql } = database;
  let status = 200;
  await withReceiver(() => new Response(null, { status }), async (receiver) => {
    const app = await startEmission(sql, ["user.registered_event", "discussion.auto_closed", "webhook.test"]);
    await migrate(sql, MIGRATIONS);
    await sql`update public.webhook_configurations set url = ${receiver.url}`;
    const call = async (create: typeof createDispatcher, body?: unknown) => {
      const answer = await create(testRuntime(database))(post(body));
      assert.equal(answer.status, 200);
      return await answer.json();
    };
    const registration = await register(sql, app);
    await dispatch(sql, "user.registered_event", { registration_id: registration });
    assert.equal((await call(createDispatcher)).processed, 1);
    const [first] = receiver.received;
    assert.equal(JSON.parse(first!.text).data.registration_id, registration);

    status = 410;
    await register(sql, app);
    assert.equal((await call(createDispatcher)).exhausted, 1);
    const [dead] = await sql`select reason, endpoint_is_on from webhooks.dead_letters`;
    assert.deepEqual(dead, { reason: (await deliveries(sql))[1]!.error_message, endpoint_is_on: false });
    status = 200;
    await sql`update public.webhook_configurations set is_active = true`;
    const [counts] = await sql`select * from webhooks.replay_webhooks(event_type => 'user.registered_event')`;
    assert.deepEqual(counts, { matched: 1, switched_off: 0, replayed: 1 });
    assert.equal((await call(createDispatcher)).processed, 1);

    await sql`
      insert into public.discussions (community_id, title, created_by, expires_at)
      values (${app.community}, 't', ${app.ada}, now() - interval '1 minute')`;
    assert.equal((await call(createCloser)).closed, 1);
    assert.equal((await call(createTester, { event_type: "webhook.test", event_data: {} })).total, 1);
    assert.equal((await call(createDispatcher)).processed, 1);
    const health = await createHealth(testRuntime(database))(new Request("http://localhost/webhook-health"));
    assert.equal((await health.json()).stats.last_hour.delivered, 3);
    await sql`select webhooks.refresh_metrics()`;
    const [row] = await sql`
      select sum(delivered)::integer as delivered, sum(failed)::integer as failed from webhooks.hourly_metrics`;
    assert.deepEqual(row, { delivered: 3, failed: 0 });
  });
});
