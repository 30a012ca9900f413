/**
 * What the test tool shows of a delivery.
 *
 * @module
 */

import {
  type Batch,
  type ClaimedRow,
  type Dispatcher,
  type Fingerprint,
  headerFields,
  type HttpRequest,
  type KafkaRequest,
  type Plan,
  type RowUpdate,
  sawThrough,
  secretFingerprints,
  seenThrough,
  type ShownMessage,
} from "../_shared/core.ts";
import type { Sent as Exchange } from "../_shared/send.ts";

/** What became of a test delivery. */
export interface TestResult {
  delivery_id: string;
  /** Null where the test named a URL. */
  endpoint_id: string | null;
  /** Whether there is a row with this id. */
  stored: boolean;
  /** `planned` in a dry run. */
  status: RowUpdate["status"] | "planned";
  error: string | null;
  /** What signs the request, in the order of the signatures. */
  secrets: Fingerprint[];
  /** Null where there is none: the delivery cannot be sent, or in a dry run something has to be found out first. */
  request: ShownRequest | null;
  /** Null where nothing was sent or no answer came. `body` is cut. `status` is HTTP's, and null where there is none. */
  response: { status: number | null; headers: Record<string, string>; body: string } | null;
  duration_ms: number;
  /** What a broker would get: only in a dry run. */
  message?: ShownMessage | null;
  /** What would be found out before the request could be made: only in a dry run. */
  found_out_first?: string | null;
  /** What a good receiver does with a request that is wrong on purpose. */
  expected?: string;
  /** Whether it did; null where that does not show. */
  passed?: boolean | null;
}

/** A request as it is shown: what it holds of credentials is left out. */
export interface ShownRequest {
  url: string;
  /** `PRODUCE` for Kafka. */
  method: string;
  headers: [string, string][];
  body: string;
}

export type Sent = Batch & Exchange;

export interface Ended {
  row: ClaimedRow;
  updates: RowUpdate[];
  sent: Sent[];
  isStored: boolean;
  isTampered: boolean;
}

/** A row beside its update, which every row has, and its exchange, which refused rows have not. */
export function resultOf({ row, updates, sent, isStored, isTampered }: Ended): TestResult {
  const update = updateOf(row, updates);
  const own = sent.find((batch) => carries(batch, row));
  const isAnswered = update.response_status !== null || update.response_body !== null;
  return {
    ...beginning(row, isStored, update),
    request: own?.request ? shown(own.request) : null,
    response: own && isAnswered
      ? { status: update.response_status, headers: own.headers, body: update.response_body ?? "" }
      : null,
    duration_ms: own?.durationMs ?? 0,
    ...(isTampered && { expected: seenThrough(), passed: passed(own) }),
  };
}

export interface Planned {
  row: ClaimedRow;
  plan: Plan;
  dispatcher: Dispatcher;
  /** Milliseconds since 1970. */
  now: () => number;
  isTampered: boolean;
}

/** What would be sent for a row. Asks the dispatcher for the first step only: nothing leaves this machine. */
export function planned({ row, plan, dispatcher, now, isTampered }: Planned): TestResult {
  const batch = plan.batches.find((batch) => carries(batch, row));
  const nothing = { request: null, response: null, duration_ms: 0, message: null, found_out_first: null };
  const end = isTampered ? { expected: seenThrough(), passed: null } : {};
  if (!batch) return { ...beginning(row, false, updateOf(row, plan.refused)), ...nothing, ...end };
  const ready = { ...beginning(row, false, { status: "planned", error_message: null }), ...nothing };
  if ("request" in batch.carrier) return { ...ready, request: shown(batch.carrier.request), ...end };
  const { steps } = batch.carrier;
  const message = dispatcher.message(steps) ?? null;
  const step = dispatcher.next(steps, null, now());
  if ("prepare" in step) return { ...ready, message, found_out_first: step.prepare, ...end };
  if ("end" in step) {
    const { updates } = dispatcher.settle([{ ...batch, ends: step.end, durationMs: 0 }], now());
    return { ...beginning(row, false, updateOf(row, updates)), ...nothing, message, ...end };
  }
  return { ...ready, message, request: shown("http" in step ? step.http : step.kafka), ...end };
}

/** A secret itself is never shown. */
function beginning(
  row: ClaimedRow,
  stored: boolean,
  { status, error_message }: { status: TestResult["status"]; error_message: string | null },
) {
  return {
    delivery_id: row.id,
    endpoint_id: row.endpoint_id || null,
    stored,
    status,
    error: error_message,
    secrets: secretFingerprints(row.secret_key ?? ""),
  };
}

function updateOf(row: ClaimedRow, updates: RowUpdate[]): RowUpdate {
  const update = updates.find(({ id }) => id === row.id);
  if (!update) throw new Error(`delivery ${row.id} was neither sent nor refused`);
  return update;
}

/** A test has one delivery for an endpoint, so that it is alone in its batch. */
function carries({ attempts }: Batch, row: ClaimedRow): boolean {
  return attempts.some(({ deliveryId }) => deliveryId === row.id);
}

/** Whoever answers a single request is the receiver; a broker answers before the receiver has it. */
function passed(sent: Sent | undefined): boolean | null {
  const [end] = sent?.ends ?? [];
  return sent && end ? sawThrough(end, "request" in sent.carrier) ?? null : null;
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
