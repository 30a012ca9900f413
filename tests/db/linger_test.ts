/** A dispatcher that is asked to linger: it answers at once, and takes what comes in for as long as it said. */

import assert from "node:assert/strict";
import { createHandler } from "../../functions/webhook-dispatcher/handler.ts";
import { databaseTest, deliveries, insertDeliveries, insertEndpoint } from "../support/database.ts";
import { withReceiver } from "../support/receiver.ts";
import { post, testRuntime } from "../support/runtime.ts";

databaseTest("it answers at once and delivers what comes in afterwards", async (database) => {
  await withReceiver(undefined, async (receiver) => {
    const { sql } = database;
    const endpoint = await insertEndpoint(sql, { url: receiver.url });
    const logged: string[] = [];
    const over = Promise.withResolvers<void>();
    const runtime = {
      ...testRuntime(database, { WEBHOOK_LINGER_POLL: "200ms" }),
      log: (_level: string, message: string) => {
        logged.push(message);
        if (message === "lingered") over.resolve();
      },
    };
    const answer = await createHandler(runtime)(post({ linger_s: 3 }));
    assert.equal(answer.status, 202);
    assert.deepEqual(await answer.json(), { lingering: true, linger_s: 3 });
    assert.equal(receiver.received.length, 0);
    for (let n = 1; n <= 3; n++) {
      await insertDeliveries(sql, endpoint);
      await receiver.arrived(n);
    }
    await over.promise;
    assert.deepEqual((await deliveries(sql)).map(({ status, attempts }) => [status, attempts]), [
      ["delivered", 1],
      ["delivered", 1],
      ["delivered", 1],
    ]);
    assert.deepEqual(logged.filter((message) => message !== "endpoint_served"), ["dispatched", "lingered"]);
  });
});

databaseTest(
  "it puts back first, ends when the isolate does, and outlives a database that is away",
  async (database) => {
    await withReceiver(undefined, async (receiver) => {
      const { sql } = database;
      const endpoint = await insertEndpoint(sql, { url: receiver.url });
      await insertDeliveries(sql, endpoint, 2);
      await sql`update public.webhook_deliveries set status = 'failed', error_message = 'HTTP 500'`;
      const stop = new AbortController();
      const over = Promise.withResolvers<void>();
      const log = (_level: string, message: string) => {
        if (message === "lingered" || message === "linger_ended") over.resolve();
      };
      const runtime = { ...testRuntime(database), stop: stop.signal, log };
      const body = { linger_s: 300, replay: { endpoint_id: endpoint } };
      const answer = await (await createHandler(runtime)(post(body))).json();
      assert.deepEqual(answer.replay, { matched: 2, switched_off: 0, replayed: 2, dry_run: false });
      await receiver.arrived(2);
      stop.abort();
      await over.promise;

      const ended = Promise.withResolvers<string>();
      const away = {
        ...testRuntime(database),
        store: () => ({
          ...database.store,
          endpoints: () => Promise.reject(Object.assign(new Error("no"), { code: "42501" })),
        }),
        log: (_level: string, message: string) => ended.resolve(message),
      };
      assert.equal((await createHandler(away)(post({ linger_s: 300 }))).status, 202);
      assert.equal(await ended.promise, "linger_ended");
    });
  },
);

databaseTest("what it cannot do is refused before anything is done", async (database) => {
  const handler = createHandler(testRuntime(database));
  const code = async (body: unknown) => {
    const answer = await handler(post(body));
    return [answer.status, (await answer.json()).error.code];
  };
  assert.deepEqual(await code({ linger_s: 1_000 }), [400, "invalid_linger"]);
  const dry = { event_type: "order.paid", dry_run: true };
  assert.deepEqual(await code({ linger_s: 60, replay: dry }), [400, "invalid_linger"]);
  assert.equal((await handler(post({ linger_s: 60 }, {}))).status, 401);
});
