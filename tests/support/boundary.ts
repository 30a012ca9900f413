/**
 * What the tests of the module's boundary share.
 *
 * @module
 */

import assert from "node:assert/strict";
import type * as core from "../../functions/_shared/core.ts";

/** What a call throws, with its code. */
export function thrown(call: () => unknown): { name: string; code: string; message: string } {
  try {
    call();
  } catch (error) {
    assert(error instanceof Error);
    return error as unknown as { name: string; code: string; message: string };
  }
  throw new Error("nothing was thrown");
}

export const row: core.ClaimedRow = {
  id: "0a6e3f6e-4f0e-4a58-9d2f-9a1b2c3d4e5f",
  event_type: "order.paid",
  payload: '{"event": "order.paid", "data": {"n": 12345678901234567890, "d": 1.10}}',
  attempt: 1,
  created_at: "2026-01-29T10:00:00.000000Z",
  endpoint_id: "e",
  url: "https://a.example/hook",
  secret_key: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  is_active: true,
};
/** The row has no request id: its own id makes the trace. */
export const traceId = row.id.replaceAll("-", "");
export const attempts = [{ deliveryId: row.id, attempt: 1, traceId }];
