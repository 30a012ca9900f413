/**
 * What must hold of functions, wherever they lie: each starts alone, and they deliver.
 *
 * @module
 */

import assert from "node:assert/strict";
import { deliveries, insertDeliveries, insertEndpoint, type TestDatabase } from "./database.ts";
import { startFunction } from "./process.ts";
import { closedPort, withReceiver } from "./receiver.ts";

export const SLUGS = ["close-expired-discussions", "test-webhook", "webhook-dispatcher", "webhook-health"];

/** Runs the four functions, each from `folderOf` it, and delivers an event. */
export async function assertTheyDeliver(
  { url, sql }: TestDatabase,
  folderOf: (slug: string) => string,
): Promise<void> {
  await withReceiver(undefined, async (receiver) => {
    const endpoint = await insertEndpoint(sql, { url: receiver.url });
    await insertDeliveries(sql, endpoint);
    // Nobody listens there: that it says so, it has from the module that only Kafka needs.
    const kafka = await insertEndpoint(sql, { url: `kafka://127.0.0.1:${closedPort()}/orders` });
    await insertDeliveries(sql, kafka);
    const started = await Promise.all(SLUGS.map((slug) => startFunction(slug, url, {}, folderOf(slug))));
    try {
      const [close, test, dispatcher, health] = started;
      assert.equal((await (await dispatcher!.call()).json()).processed, 1);
      assert.equal((await (await test!.call({ endpoint_id: endpoint })).json()).delivered, 1);
      assert.equal((await (await close!.call()).json()).closed, 0);
      assert.equal((await (await fetch(health!.url)).json()).healthy, true);
    } finally {
      for (const one of started) await one.end("SIGTERM");
    }
    assert.equal(receiver.received.length, 2);
    const rows = await deliveries(sql);
    assert.deepEqual(rows.map(({ status }) => status).sort(), ["delivered", "delivered", "pending"]);
    const refused = rows.find(({ status }) => status === "pending")?.error_message;
    assert.match(refused!, /no broker can be reached: .*refused/i);
  });
}
