/** What receivers really get, by the schemas in docs/. */

import assert from "node:assert/strict";
import { causeEvents, EVENTS } from "../../stack/events.mjs";
import { createHandler as createClose } from "../../functions/close-expired-discussions/handler.ts";
import { createHandler as createTestWebhook } from "../../functions/test-webhook/handler.ts";
import { createHandler as createDispatcher } from "../../functions/webhook-dispatcher/handler.ts";
import { databaseTest, insertDeliveries, insertEndpoint } from "../support/database.ts";
import { type Received, withReceiver } from "../support/receiver.ts";
import { post, testRuntime } from "../support/runtime.ts";
import { document, strictAjv, validators } from "../support/schemas.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/** Fails where a request is not as its event's schema and the AsyncAPI document say. */
async function assertDescribed(received: Received[]): Promise<void> {
  const bodies = await validators();
  const { components } = await document("asyncapi.json");
  const headers = strictAjv().compile(components.messageTraits.signed.headers);
  for (const request of received) {
    const body = JSON.parse(request.text);
    for (const name of [body.event, "envelope"]) {
      const validate = bodies.get(name);
      assert(validate, `${name} has no schema`);
      assert(validate(body), `${name}: ${JSON.stringify(validate.errors)} in ${request.text}`);
    }
    const sent = Object.fromEntries(request.headers);
    assert(headers(sent), JSON.stringify(headers.errors));
    for (const name of Object.keys(components.messageTraits.signed.headers.properties)) {
      assert(name in sent, `${name} was not sent`);
    }
  }
}

databaseTest("each event that the application emits arrives as its schema says", async (database) => {
  await withReceiver(undefined, async (receiver) => {
    const { sql } = database;
    const events = [...EVENTS, "webhook.test"];
    await insertEndpoint(sql, { url: receiver.url, secret_key: SECRET, events });
    const runtime = testRuntime(database);
    await causeEvents(sql, async () => {
      assert.equal((await createClose(runtime)(post())).status, 200);
    });
    assert.equal((await (await createDispatcher(runtime)(post())).json()).processed, EVENTS.length);
    assert.equal((await createTestWebhook(runtime)(post())).status, 200);
    const names = receiver.received.map(({ text }) => JSON.parse(text).event);
    assert.deepEqual(names.sort(), events.sort());
    await assertDescribed(receiver.received);
  });
});

databaseTest("an alert arrives as its schema says, from its beginning to its end", async (database) => {
  await withReceiver(undefined, async (listener) => {
    const { sql } = database;
    await insertEndpoint(sql, { url: listener.url, events: ["webhook.alert"], secret_key: SECRET });
    await withReceiver(() => new Response(null, { status: 500 }), async (broken) => {
      const failing = await insertEndpoint(sql, { name: "shop", url: broken.url });
      await insertDeliveries(sql, failing, 5);
      const handler = createDispatcher(testRuntime(database, { WEBHOOK_MAX_ATTEMPTS: "1" }));
      await handler(post());
      await sql`update public.webhook_deliveries set status = 'delivered' where event_type = 'order.paid'`;
      await handler(post());
    });
    const alerts = listener.received.map(({ text }) => JSON.parse(text).data);
    const said = alerts.map(({ cause, state }) => `${cause} ${state}`).sort();
    assert.deepEqual(said, [
      "circuit_breaker firing",
      "circuit_breaker resolved",
      "failure_rate firing",
      "failure_rate resolved",
    ]);
    await assertDescribed(listener.received);
  });
});
