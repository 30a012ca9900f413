/**
 * `POST /functions/v1/test-webhook`: sends a test event through the code that the dispatcher runs, and shows what
 * was sent and what came back; in a dry run, what would be sent.
 *
 * @module
 */

import {
  type ClaimedRow,
  type Dispatcher,
  readTestRequest,
  seenThrough,
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
import { forgetAttempts } from "../_shared/journal.ts";
import type { Runtime } from "../_shared/runtime.ts";
import type { Store } from "../_shared/store.ts";
import { PayloadError, type TestTarget } from "../_shared/store_tests.ts";
import type { Parts, Run } from "../_shared/tracing.ts";
import { planned, resultOf, type TestResult } from "./results.ts";

export function createHandler(runtime: Runtime): Handler {
  // A test is one attempt: it fails at once rather than later, when nobody looks. Only if this function dies under
  // it does the dispatcher finish it, as it does every delivery.
  const partsForTests = () => runtime.dispatcherOf({ ...runtime.settings, maxAttempts: 1 });
  const parts = partsForTests();
  return runtime.traced((run) => handlerOf(runtime, parts, partsForTests, run));
}

type SendingParts = Omit<Parts, "store">;

function handlerOf(
  runtime: Runtime,
  parts: SendingParts,
  partsForTests: () => SendingParts,
  run: Run,
): Handler {
  const { log, now } = runtime;

  const sendAll = async (rows: ClaimedRow[], test: TestRequest, to: Sending): Promise<TestResult[]> => {
    const { dispatcher, send, store } = to;
    const plan = dispatcher.planTest(rows, test.tamper, now());
    const sent = await Promise.all(
      plan.batches.map(async (batch) => ({ ...batch, ...await send(batch, true) })),
    );
    runtime.closeConnections();
    const updates = [...plan.refused, ...dispatcher.settle(sent, now()).updates];
    forgetAttempts(dispatcher);
    if (store) await store.record(updates);
    const [isStored, isTampered] = [store !== undefined, test.tamper !== null];
    return rows.map((row) => resultOf({ row, updates, sent, isStored, isTampered }));
  };

  const planAll = (rows: ClaimedRow[], { tamper }: TestRequest): TestResult[] => {
    // One of its own: it knows of no token yet, and what it begins is never sent.
    const own: Dispatcher = partsForTests().dispatcher;
    try {
      const plan = own.planTest(rows, tamper, now());
      return rows.map((row) => planned({ row, plan, dispatcher: own, now, isTampered: tamper !== null }));
    } finally {
      own.free();
    }
  };

  return guardedForBrowsers(["POST"], log, async (request) => {
    if (!runtime.isAuthorized(request)) throw unauthorized();
    const timestamp = new Date(now()).toISOString();
    const body = await textOf(request, MOST_BODY_BYTES);
    const traceparent = run.traceparent ?? request.headers.get("traceparent");
    const test = testRequest(body, timestamp, runtime.newId(), traceparent);
    const { eventType, dryRun, tamper } = test;
    // A replay would send it as it should be, and as a failure it would stand in the table for a success.
    const isStored = !dryRun && tamper === null && adHocOf(test) === null;
    const sending: Sending = isStored ? run.traced({ ...parts, store: runtime.store() }) : parts;
    const store = () => sending.store ?? runtime.store();
    const rows = await rowsFor(test, { isStored, timestamp, id: runtime.newId, store });
    const deliveries = dryRun ? planAll(rows, test) : await sendAll(rows, test, sending);

    const delivered = deliveries.filter(({ status }) => status === "delivered").length;
    const total = deliveries.length;
    log("info", "tested", { event_type: eventType, total, delivered, dry_run: dryRun, tamper });
    return json({
      event_type: eventType,
      total,
      delivered,
      ...(dryRun && { dry_run: true }),
      ...(tamper !== null && { tamper, expected: seenThrough(), passed: allPassed(deliveries) }),
      deliveries,
    });
  });
}

/** `store` where there are rows to be written. */
type Sending = SendingParts & Partial<Pick<Parts, "store">>;

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

/** False where one receiver has not seen through it, null where it does not show of one. */
function allPassed(deliveries: TestResult[]): boolean | null {
  const passed = deliveries.map((delivery) => delivery.passed ?? null);
  if (passed.includes(false)) return false;
  return passed.includes(null) ? null : true;
}

function adHocOf({ receiver }: TestRequest): { url: string; secretKey: string | null } | null {
  return typeof receiver === "object" && "adHoc" in receiver ? receiver.adHoc : null;
}

interface RowOptions {
  isStored: boolean;
  /** ISO 8601 */
  timestamp: string;
  id: () => string;
  store: () => Pick<Store, "insertClaimed" | "draftClaimed" | "endpointsNamed">;
}

/** The deliveries of a test: one at least. An ad-hoc one needs no database. */
async function rowsFor(test: TestRequest, options: RowOptions): Promise<ClaimedRow[]> {
  const { eventType, payload, receiver } = test;
  const adHoc = adHocOf(test);
  if (adHoc) {
    return [{
      id: options.id(),
      event_type: eventType,
      payload,
      attempt: 1,
      created_at: options.timestamp,
      endpoint_id: "",
      url: adHoc.url,
      secret_key: adHoc.secretKey,
      is_active: true,
    }];
  }
  const store = options.store();
  const target: TestTarget = { eventType, payload };
  if (typeof receiver === "object" && "id" in receiver) target.endpointId = receiver.id;
  if (typeof receiver === "object" && "name" in receiver) {
    target.endpointId = onlyOne(await store.endpointsNamed(receiver.name));
  }
  const rows = await (options.isStored ? store.insertClaimed(target) : store.draftClaimed(target))
    .catch((error) => {
      throw error instanceof PayloadError ? unstorable() : error;
    });
  if (rows.length === 0) throw nobody(target);
  return rows;
}

function onlyOne(ids: string[]): string {
  const [id] = ids;
  if (id === undefined) throw unknownEndpoint("endpoint: there is none with this name");
  if (ids.length === 1) return id;
  const message = `endpoint: ${ids.length} have this name; name one by endpoint_id: ${ids.join(", ")}`;
  throw new RequestError(404, "ambiguous_endpoint", message);
}

function unknownEndpoint(message: string): RequestError {
  return new RequestError(404, "unknown_endpoint", message);
}

function unstorable(): RequestError {
  const message =
    "event_data: PostgreSQL cannot store it; remove NULs (\\u0000), halves of surrogate pairs, " +
    "numbers beyond 1e131071 and nesting of thousands of levels";
  return new RequestError(400, "invalid_event_data", message);
}

function nobody({ eventType, endpointId }: TestTarget): RequestError {
  if (endpointId !== undefined) return unknownEndpoint("endpoint_id: there is no such endpoint");
  return new RequestError(
    404,
    "no_subscriber",
    `no active endpoint is subscribed to ${eventType}: subscribe one, or name one by endpoint_id`,
  );
}
