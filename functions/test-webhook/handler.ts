/**
 * `POST /functions/v1/test-webhook`: sends a test event through the code that the dispatcher runs, and shows what
 * was sent and what came back.
 *
 * @module
 */

import {
  type BatchOutcome,
  type ClaimedRow,
  headerFields,
  type HttpRequest,
  type KafkaRequest,
  readTestRequest,
  type RowUpdate,
  type TestRequest,
} from "../_shared/core.ts";
import {
  badRequest,
  guardedForBrowsers,
  type Handler,
  json,
  RequestError,
  textOf,
  unauthorized,
} from "../_shared/respond.ts";
import type { Runtime } from "../_shared/runtime.ts";
import { PayloadError } from "../_shared/store.ts";
import type { Sent as Exchange } from "../_shared/send.ts";
import type { Parts, Run } from "../_shared/tracing.ts";

/** What became of one test delivery. */
export interface TestResult {
  delivery_id: string;
  endpoint_id: string | null;
  status: RowUpdate["status"];
  error: string | null;
  /** Null where the delivery could not be sent. */
  request: ShownRequest | null;
  /** Null where nothing was sent or no answer came. `body` is cut. `status` is HTTP's, and null where there is none. */
  response: { status: number | null; headers: Record<string, string>; body: string } | null;
  duration_ms: number;
}

/** A request as it is shown: what it holds of credentials is left out. */
export interface ShownRequest {
  url: string;
  /** `PRODUCE` for Kafka. */
  method: string;
  headers: [string, string][];
  body: string;
}

export function createHandler(runtime: Runtime): Handler {
  // A test is one attempt: it fails at once rather than later, when nobody looks. Only if this function dies under
  // it does the dispatcher finish it, as it does every delivery.
  const parts = runtime.dispatcherOf({ ...runtime.settings, maxAttempts: 1 });
  return runtime.traced((run) => handlerOf(runtime, parts, run));
}

function handlerOf(runtime: Runtime, parts: Omit<Parts, "store">, run: Run): Handler {
  const { log, now } = runtime;
  return guardedForBrowsers(["POST"], log, async (request) => {
    if (!runtime.isAuthorized(request)) throw unauthorized();
    const test = testRequest(
      await textOf(request, MOST_BODY_BYTES),
      new Date(now()).toISOString(),
      runtime.newId(),
      run.traceparent ?? request.headers.get("traceparent"),
    );
    const { eventType, payload, endpointId } = test;
    const { store, dispatcher, send } = run.traced({ ...parts, store: runtime.store() });
    const rows = await store.insertClaimed({ eventType, payload, ...(endpointId && { endpointId }) })
      .catch((error) => {
        throw error instanceof PayloadError ? unstorable() : error;
      });
    if (rows.length === 0) throw nobody(test);

    const plan = dispatcher.plan(rows, now());
    const sent = await Promise.all(plan.batches.map(async (batch) => {
      const { endpointId, attempts } = batch;
      return { endpointId, attempts, ...await send(batch, true) };
    }));
    runtime.closeConnections();
    const updates = [...plan.refused, ...dispatcher.settle(sent, now()).updates];
    await store.record(updates);

    const results = rows.map((row) => resultOf(row, updates, sent));
    const delivered = updates.filter(({ disposition }) => disposition === "delivered").length;
    log("info", "tested", { event_type: eventType, total: results.length, delivered });
    return json({ event_type: eventType, total: results.length, delivered, deliveries: results });
  });
}

/** As much as a payload may have by default. */
const MOST_BODY_BYTES = 1_048_576;

function testRequest(
  body: string,
  timestamp: string,
  requestId: string,
  traceparent: string | null,
): TestRequest {
  try {
    return readTestRequest(body, timestamp, requestId, traceparent);
  } catch (error) {
    throw badRequest(error as Error & { code: string });
  }
}

function unstorable(): RequestError {
  const message =
    "event_data: PostgreSQL cannot store it; remove NULs (\\u0000), halves of surrogate pairs, " +
    "numbers beyond 1e131071 and nesting of thousands of levels";
  return new RequestError(400, "invalid_event_data", message);
}

function nobody({ eventType, endpointId }: TestRequest): RequestError {
  return endpointId === null
    ? new RequestError(
      404,
      "no_subscriber",
      `no active endpoint is subscribed to ${eventType}: subscribe one, or name one by endpoint_id`,
    )
    : new RequestError(404, "unknown_endpoint", "endpoint_id: there is no such endpoint");
}

interface Sent extends Exchange {
  attempts: BatchOutcome["attempts"];
}

/** A row beside its update, which every row has, and its exchange, which refused rows have not. */
function resultOf(row: ClaimedRow, updates: RowUpdate[], sent: Sent[]): TestResult {
  const update = updates.find(({ id }) => id === row.id);
  const own = sent.find(({ attempts }) => attempts.some(({ deliveryId }) => deliveryId === row.id));
  if (!update) throw new Error(`delivery ${row.id} was neither sent nor refused`);
  const isAnswered = update.response_status !== null || update.response_body !== null;
  return {
    delivery_id: row.id,
    endpoint_id: row.endpoint_id,
    status: update.status,
    error: update.error_message,
    request: own?.request ? shown(own.request) : null,
    response: own && isAnswered
      ? { status: update.response_status, headers: own.headers, body: update.response_body ?? "" }
      : null,
    duration_ms: own?.durationMs ?? 0,
  };
}

function shown(request: HttpRequest | KafkaRequest): ShownRequest {
  if ("head" in request) {
    const { url, method, head, body } = request;
    return { url, method, headers: headerFields(head).map(withoutSecrets), body };
  }
  const { brokers: [broker], topic, tls, records: [record] } = request;
  const url = `${tls ? "kafkas" : "kafka"}://${broker?.host}:${broker?.port}/${topic}`;
  return { url, method: "PRODUCE", headers: record?.headers ?? [], body: record?.value ?? "" };
}

/** Tokens and session tokens are nobody's business, and whoever has a signed request may repeat it. */
function withoutSecrets([name, value]: [string, string]): [string, string] {
  return /^(authorization|x-amz-security-token)$/i.test(name) ? [name, "(not shown)"] : [name, value];
}
