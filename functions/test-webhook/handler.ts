/**
 * `POST /functions/v1/test-webhook`: sends a test event through the code that the dispatcher runs, and shows what
 * was sent and what came back.
 *
 * @module
 */

import {
  applicationEventTypes,
  type BatchOutcome,
  type ClaimedRow,
  composeEnvelope,
  Dispatcher,
  type HttpRequest,
  type RowUpdate,
  sampleData,
} from "../_shared/core.ts";
import {
  guarded,
  type Handler,
  isObject,
  json,
  jsonObject,
  RequestError,
  unauthorized,
} from "../_shared/respond.ts";
import type { Runtime } from "../_shared/runtime.ts";
import type { Exchange } from "../_shared/transport/http.ts";

const TEST_EVENT = "webhook.test";
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** What became of one test delivery. */
export interface TestResult {
  delivery_id: string;
  endpoint_id: string;
  status: RowUpdate["status"];
  error: string | null;
  /** Null where the delivery could not be sent. */
  request: HttpRequest | null;
  /** Null where nothing was sent or no answer came. `body` is cut. */
  response: { status: number; headers: Record<string, string>; body: string } | null;
  duration_ms: number;
}

interface TestRequest {
  eventType: string;
  /** JSON text. */
  data: string;
  endpointId?: string;
}

export function createHandler(runtime: Runtime): Handler {
  const { settings, log, now } = runtime;
  // A test is one attempt: it fails at once rather than later, when nobody looks.
  const dispatcher = new Dispatcher(1, settings.requestTimeoutMs);
  return guarded(["POST"], log, async (request) => {
    if (!runtime.isAuthorized(request)) throw unauthorized();
    const { eventType, data, endpointId } = readRequest(await jsonObject(request));
    const payload = composeEnvelope({
      eventType,
      timestamp: new Date(now()).toISOString(),
      data,
      requestId: runtime.newId(),
    });
    const store = runtime.store();
    const rows = await store.insertClaimed({ eventType, payload, ...(endpointId && { endpointId }) });
    if (rows.length === 0) throw nobody(eventType, endpointId);

    const plan = dispatcher.plan(rows, now());
    const sent = await Promise.all(plan.batches.map(async ({ attempts, request, timeoutMs }) => {
      return { attempts, request, exchange: await runtime.send(request, timeoutMs) };
    }));
    const outcomes: BatchOutcome[] = sent.map(({ attempts, exchange }) => ({
      attempts,
      outcome: exchange.outcome,
    }));
    const updates = [...plan.refused, ...dispatcher.settle(outcomes, now())];
    await store.record(updates);

    const results = rows.map((row) => resultOf(row, updates, sent));
    const delivered = results.filter((result) => result.status === "delivered").length;
    log("info", "tested", { event_type: eventType, total: results.length, delivered });
    return json({ event_type: eventType, total: results.length, delivered, deliveries: results });
  });
}

function readRequest(body: Record<string, unknown>): TestRequest {
  const { event_type = TEST_EVENT, event_data, endpoint_id } = body;
  const known = [TEST_EVENT, ...applicationEventTypes()];
  if (typeof event_type !== "string" || !known.includes(event_type)) {
    throw new RequestError(400, "invalid_event_type", `event_type: expected one of ${known.join(", ")}.`);
  }
  if (event_data !== undefined && !isObject(event_data)) {
    throw new RequestError(
      400,
      "invalid_event_data",
      "event_data: expected a JSON object, or none for a sample.",
    );
  }
  if (endpoint_id !== undefined && !(typeof endpoint_id === "string" && UUID.test(endpoint_id))) {
    throw new RequestError(400, "invalid_endpoint_id", "endpoint_id: expected the UUID of an endpoint.");
  }
  // The admin pages send an empty object for "no data of mine".
  const isOwn = event_data !== undefined && Object.keys(event_data).length > 0;
  const data = isOwn ? JSON.stringify(event_data) : sampleData(event_type) ?? '{"message":"This is a test."}';
  return { eventType: event_type, data, ...(endpoint_id !== undefined && { endpointId: endpoint_id }) };
}

function nobody(eventType: string, endpointId: string | undefined): RequestError {
  return endpointId === undefined
    ? new RequestError(
      404,
      "no_subscriber",
      `No active endpoint is subscribed to ${eventType}: subscribe one, or name one by endpoint_id.`,
    )
    : new RequestError(404, "unknown_endpoint", "endpoint_id: there is no such endpoint.");
}

function resultOf(
  row: ClaimedRow,
  updates: RowUpdate[],
  sent: { attempts: BatchOutcome["attempts"]; request: HttpRequest; exchange: Exchange }[],
): TestResult {
  const update = updates.find(({ id }) => id === row.id);
  const own = sent.find(({ attempts }) => attempts.some(({ deliveryId }) => deliveryId === row.id));
  const outcome = own?.exchange.outcome;
  const answered = outcome && "answered" in outcome ? outcome.answered : undefined;
  return {
    delivery_id: row.id,
    endpoint_id: row.endpoint_id ?? "",
    status: update?.status ?? "failed",
    error: update?.error_message ?? null,
    request: own?.request ?? null,
    response: answered && own
      ? { status: answered.status, headers: own.exchange.headers, body: update?.response_body ?? "" }
      : null,
    duration_ms: own?.exchange.durationMs ?? 0,
  };
}
