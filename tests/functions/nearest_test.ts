/** What claims choose from, without another look at the whole queue. */

import assert from "node:assert/strict";
import { type Known, Nearest } from "../../functions/_shared/nearest.ts";

const allowance = (id: string, most: number, under_way = 0, batch = 1) => ({
  id,
  most,
  batch,
  under_way,
  quiet_ms: null,
});
/** So many of an endpoint, each of so many bytes. */
const known = (endpoint: string, count: number, bytes = 10): Known => ({
  endpoint_id: endpoint,
  ids: Array.from({ length: count }, (_, at) => `${endpoint}${at}:${bytes}`).join(","),
});

function nearest(...all: Known[]): Nearest {
  const nearest = new Nearest();
  nearest.replace(all);
  return nearest;
}

Deno.test("each endpoint in turn gets what it may, the first ones first, and nothing twice", () => {
  const queue = nearest(known("a", 9), known("b", 3), known("c", 5));
  const allowances = [allowance("a", 3), allowance("b", 8)];
  assert.deepEqual(queue.take(4, allowances, 1_000), ["a0", "b0", "a1", "b1"]);
  assert.deepEqual(queue.take(9, allowances, 1_000), ["a2", "b2", "a3", "a4"]);
  assert.deepEqual(queue.take(9, [allowance("d", 3)], 1_000), []);
});

Deno.test("an endpoint with fewer requests under way comes first, and a request may carry many", () => {
  const queue = nearest(known("a", 9), known("b", 9));
  assert.deepEqual(queue.take(3, [allowance("a", 9, 2), allowance("b", 9, 0)], 1_000), ["b0", "b1", "a0"]);
  const inTwos = [allowance("a", 9, 0, 2), allowance("b", 9, 0, 1)];
  assert.deepEqual(queue.take(6, inTwos, 1_000), ["a1", "a2", "b2", "a3", "a4", "b3"]);
});

Deno.test("a claim takes no more bytes than it may, but one delivery in any case", () => {
  const queue = nearest(known("a", 3, 70));
  assert.deepEqual(queue.take(9, [allowance("a", 9)], 150), ["a0", "a1"]);
  assert.deepEqual(queue.take(9, [allowance("a", 9)], 50), ["a2"]);
});

Deno.test("an endpoint of which nothing is known wants a look at the whole queue", () => {
  const queue = nearest(known("a", 1), known("b", 2));
  assert(queue.knows([allowance("a", 1), allowance("b", 1)]));
  assert(!queue.knows([allowance("a", 1), allowance("c", 1)]));
  queue.take(1, [allowance("a", 1)], 1_000);
  assert(!queue.knows([allowance("a", 1)]));
  queue.replace([]);
  assert(!queue.knows([allowance("b", 1)]));
});
