/**
 * Requests as the core plans them, and a sender for one of them.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Batch, ClaimedRow, HttpRequest, Outcome } from "../../functions/_shared/core.ts";
import { createFetchTransport } from "../../functions/_shared/transport/fetch.ts";
import {
  createHttpTransport,
  type HttpTransport,
  type HttpTransportOptions,
  type SendHttp,
} from "../../functions/_shared/transport/http.ts";
import { testDispatcher } from "./settings.ts";

export const PAYLOAD =
  '{"data": {"big": 12345678901234567890, "money": 1.10, "name": "Zoë 🎲 \\u0001"}, "event": "order.paid", "request_id": "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"}';

/** A claimed row that goes to this URL. */
export function claimed(url: string, columns: Partial<ClaimedRow> = {}): ClaimedRow {
  return {
    id: "0a6e3f6e-4f0e-4a58-9d2f-9a1b2c3d4e5f",
    event_type: "order.paid",
    payload: PAYLOAD,
    attempt: 1,
    created_at: "2026-01-29T10:00:00.000000Z",
    endpoint_id: "e",
    url,
    secret_key: null,
    is_active: true,
    ...columns,
  };
}

export function planned(url: string, columns?: Partial<ClaimedRow>): HttpRequest {
  const settings = { allowedAddresses: "0.0.0.0/0, ::/0", maxPayloadBytes: 64 * 1_048_576 };
  const { batches, refused } = testDispatcher(settings).plan([claimed(url, columns)], Date.now());
  assert.equal(batches.length, 1, refused[0]?.error_message ?? "");
  return requestOf(batches[0]!);
}

/** The request of a batch that is one over HTTP. */
export function requestOf({ carrier }: Batch): HttpRequest {
  assert("request" in carrier);
  return carrier.request;
}

/** Takes hosts for addresses: no name is resolved. */
export const literal = (host: string): Promise<string[]> => Promise.resolve([host.replace(/^\[|\]$/g, "")]);

/** Runs with a transport and closes its connections afterwards. */
export async function withTransport<T>(
  options: Partial<HttpTransportOptions>,
  body: (transport: HttpTransport) => Promise<T>,
): Promise<T> {
  const transport = createHttpTransport({ addresses: literal, ...options });
  try {
    return await body(transport);
  } finally {
    transport.close();
  }
}

/** Sends one request over a connection of its own. */
export const send: SendHttp = (request, timeoutMs, withHeaders) =>
  withTransport({}, (transport) => transport.send(request, timeoutMs, withHeaders));

/** The same by the runtime's `fetch`. */
export const sendByFetch: SendHttp = (request, timeoutMs, withHeaders) =>
  createFetchTransport({ addresses: literal }).send(request, timeoutMs, withHeaders);

/** What `WEBHOOK_TRANSPORT` offers, by name. */
export const TRANSPORTS: [string, SendHttp][] = [["sockets", send], ["fetch", sendByFetch]];

export function answered(outcome: Outcome) {
  assert("answered" in outcome, JSON.stringify(outcome));
  return outcome.answered;
}

export function failed(outcome: Outcome): string {
  assert("connectionFailed" in outcome, JSON.stringify(outcome));
  return outcome.connectionFailed.reason;
}
