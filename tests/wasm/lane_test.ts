/** The dispatcher's loop as it crosses into the core: rows and requests as bytes, batches as numbers. */

import assert from "node:assert/strict";
import { packed } from "../../functions/_shared/carry.ts";
import type { ClaimedRow, EndpointFacts, RowUpdate } from "../../functions/_shared/core.ts";
import { testDispatcher } from "../support/settings.ts";

const NOW = 1_769_680_800_000;
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function row(id: string, columns: Partial<ClaimedRow> = {}): ClaimedRow {
  return {
    id,
    event_type: "order.paid",
    payload: `{"name": "Zoë 🎲", "n": 12345678901234567890}`,
    attempt: 1,
    created_at: "2026-01-29T10:00:00.000Z",
    endpoint_id: "e",
    url: "https://a.example:8443/hook?a=b",
    secret_key: SECRET,
    is_active: true,
    ...columns,
  };
}

function lane(due: number) {
  const dispatcher = testDispatcher();
  const facts: EndpointFacts = {
    id: "e",
    url: "https://a.example:8443/hook?a=b",
    is_active: true,
    due,
    next_due_in_ms: null,
    under_way: 0,
    failures: 0,
    last_failure_ago_ms: 0,
    paused_for_ms: 0,
  };
  dispatcher.observe([facts], NOW);
  return dispatcher;
}

Deno.test("rows go in as bytes, requests come out as the same bytes as one by one", () => {
  const rows = [row("1"), row("2", { payload: `{"data": "${"é".repeat(1_000)}"}`, secret_key: null })];
  const dispatcher = lane(2);
  dispatcher.takeIn(packed(rows), NOW);
  assert.equal(dispatcher.waiting, 2);
  const table = dispatcher.begin(9, NOW);
  const out = dispatcher.takeBytes();
  const singly = testDispatcher().plan(rows, NOW).batches;
  assert.deepEqual([table.length, singly.length, dispatcher.waiting], [12, 2, 0]);
  for (const [at, { carrier, timeoutMs }] of singly.entries()) {
    assert("request" in carrier);
    const [number, peer, from, length, most, timeout] = table.subarray(6 * at, 6 * at + 6);
    const { request } = carrier;
    assert.equal(text(out.subarray(from!, from! + length!)), request.head + request.body);
    assert.deepEqual([number, most, timeout], [at, request.mostAnswerBytes, timeoutMs]);
    assert.deepEqual(dispatcher.peer(peer!), { host: "a.example", port: 8443, tls: true });
  }
  assert.equal(dispatcher.takeBytes().length, 0);
});

Deno.test("answers become updates without crossing as objects", () => {
  const dispatcher = lane(3);
  dispatcher.takeIn(packed([row("1"), row("2", { attempt: 3 }), row("3")]), NOW);
  dispatcher.begin(9, NOW);
  const answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\né!";
  assert.equal(dispatcher.received(0, bytes(answer).subarray(0, 20), false, 5, NOW), 0);
  assert.equal(dispatcher.received(0, bytes(answer), false, 5, NOW), 2);
  const last = "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
  assert.equal(dispatcher.received(1, bytes(last), false, 5, NOW), 1);
  assert.throws(() => dispatcher.received(2, bytes("SSH-2.0"), true, 5, NOW), {
    name: "AnswerError",
    code: "not_http",
  });
  dispatcher.end(2, [{ timedOut: { afterMs: 10_000 } }], 10_000, NOW);
  assert.equal(dispatcher.unwritten, 3);
  const { updates, count, gone, opened, notReady } = dispatcher.conclude(NOW);
  const all: RowUpdate[] = JSON.parse(updates);
  assert.deepEqual([count, gone, opened, notReady, dispatcher.unwritten], [3, [], [], [], 0]);
  assert.deepEqual(
    all.map((one) => [one.id, one.attempt, one.status, one.response_status, one.response_body]),
    [
      ["1", 1, "delivered", 200, "é!"],
      ["2", 3, "pending", 503, ""],
      ["3", 1, "pending", null, null],
    ],
  );
});

Deno.test("batches come as objects for whoever wants to see them", () => {
  const dispatcher = lane(2);
  dispatcher.takeIn(packed([row("1"), row("2", { payload: null })]), NOW);
  const { batches, refused } = dispatcher.beginBatches(9, NOW);
  assert.deepEqual(refused, ["2"]);
  assert.deepEqual(
    batches.map(({ number, batch }) => [number, batch.endpointId, batch.attempts[0]?.deliveryId]),
    [
      [0, "e", "1"],
    ],
  );
});

Deno.test("what goes back says what the claim has overwritten", () => {
  const dispatcher = lane(2);
  const before = JSON.stringify({ error_message: `x "y"` });
  dispatcher.takeIn(packed([row("1", { attempt: 2, before }), row("2", { before: null })]), NOW);
  assert.equal(dispatcher.giveBack(false, NOW).count, 0);
  const { rows, count } = dispatcher.giveBack(true, NOW);
  assert.deepEqual([count, JSON.parse(rows)], [2, [
    { id: "1", attempt: 2, before },
    { id: "2", attempt: 1, before: null },
  ]]);
});

Deno.test("rows that are none are refused as a whole", () => {
  const dispatcher = lane(2);
  const shape = { name: "ShapeError" };
  assert.throws(() => dispatcher.takeIn(packed([row("1"), row("2", { attempt: -1 })]), NOW), shape);
  assert.throws(() => dispatcher.takeIn(bytes("1\0order.paid"), NOW), shape);
  assert.throws(() => dispatcher.takeIn(new Uint8Array([0xff]), NOW), shape);
  assert.throws(() => dispatcher.takeIn(packed([row("1")]), NaN), shape);
  assert.throws(() => dispatcher.peer(7), shape);
  assert.equal(dispatcher.waiting, 0);
});
