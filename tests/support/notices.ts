/**
 * Deliveries that people are told of in chats and by mail, alerts among them.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { ClaimedRow } from "../../functions/_shared/core.ts";
import { claimed } from "./http.ts";
import { SECRET } from "./deliver.ts";

export interface NoticeVector {
  name: string;
  event_type: string;
  delivery_id: string;
  envelope: Record<string, unknown>;
  slack: { blocks: unknown[] };
  discord: unknown;
  teams: { attachments: { content: unknown }[] };
  mail: Record<string, unknown>;
}

/** What Rust writes down of each, `tests/vectors/notices.json`. */
export const NOTICES: NoticeVector[] = JSON.parse(
  await Deno.readTextFile(new URL("../vectors/notices.json", import.meta.url)),
);
assert.equal(NOTICES.length, 5);

/** The delivery of a vector, to an endpoint that has a secret. */
export function deliveryOf({ event_type, delivery_id, envelope }: NoticeVector, url: string): ClaimedRow {
  return claimed(url, {
    id: delivery_id,
    event_type,
    payload: JSON.stringify(envelope),
    secret_key: SECRET,
  });
}

/** An alert whose every text is too long for somebody, and means something to every format. */
export function longAlert(url: string): ClaimedRow {
  const odd = '<!channel> *_~`[x](https://evil.example) & <b> "\\ 🎲é\n'.repeat(400);
  const figures = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`${n}_${odd}`, odd]));
  const endpoint = { id: "e", name: odd };
  const alert = { title: odd, summary: odd, action: odd, since: odd, severity: odd, figures, endpoint };
  return claimed(url, {
    id: crypto.randomUUID(),
    event_type: "webhook.alert",
    payload: JSON.stringify({ event: "webhook.alert", data: { state: "firing", ...alert } }),
  });
}

/** Another event with as much in it. */
export function longEvent(url: string): ClaimedRow {
  const data = Array.from({ length: 200 }, (_, n) => ({ n, text: '```<@U1> "\\ 🎲é'.repeat(50) }));
  const payload = JSON.stringify({ event: "order.paid", timestamp: "x".repeat(9_999), data });
  return claimed(url, { id: crypto.randomUUID(), event_type: "o".repeat(999), payload });
}
