/** What claims choose from, without another look at the whole queue. */

import assert from "node:assert/strict";
import { Nearest } from "../../functions/_shared/nearest.ts";

const allowance = (id: string, most: number, quiet_ms: number | null = null) => ({
  id,
  most,
  batch: 1,
  under_way: 0,
  quiet_ms,
});
const ids = (endpoint: string, count: number) => Array.from({ length: count }, (_, at) => `${endpoint}${at}`);

Deno.test("each endpoint offers what it may get and a few more, the first ones first", () => {
  const nearest = new Nearest();
  nearest.replace({ a: ids("a", 100), b: ids("b", 3), c: ids("c", 5) });
  assert.deepEqual(nearest.among(50, [allowance("a", 2), allowance("b", 8)]), [
    ...ids("a", 12),
    ...ids("b", 3),
  ]);
  assert.deepEqual(nearest.among(1, [allowance("a", 50)]), ids("a", 11));
});

Deno.test("what was taken is not offered again", () => {
  const nearest = new Nearest();
  nearest.replace({ a: ids("a", 3), b: ids("b", 2) });
  nearest.remove([{ id: "a1", endpoint_id: "a" }, { id: "b0", endpoint_id: "b" }, {
    id: "x",
    endpoint_id: "x",
  }]);
  assert.deepEqual(nearest.among(9, [allowance("a", 9), allowance("b", 9)]), ["a0", "a2", "b1"]);
});

Deno.test("an endpoint of which nothing is known, or that is to be probed, wants the whole queue", () => {
  const nearest = new Nearest();
  assert.equal(nearest.among(9, [allowance("a", 1)]), null);
  nearest.replace({ a: ["a0"], b: ["b0"] });
  assert.deepEqual(nearest.among(9, [allowance("a", 1)]), ["a0"]);
  assert.equal(nearest.among(9, [allowance("a", 1), allowance("c", 1)]), null);
  assert.equal(nearest.among(9, [allowance("a", 1, 1_000)]), null);
  nearest.remove([{ id: "a0", endpoint_id: "a" }]);
  assert.equal(nearest.among(9, [allowance("a", 1), allowance("b", 1)]), null);
  nearest.replace(null);
  assert.equal(nearest.among(9, [allowance("b", 1)]), null);
});
