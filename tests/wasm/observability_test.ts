/** What people look at, through the module's boundary: health, alerts, logs, tests, traces. */

import assert from "node:assert/strict";
import * as core from "../../functions/_shared/core.ts";
import { attempts, row, thrown, traceId } from "../support/boundary.ts";
import { requestOf } from "../support/http.ts";
import { testSettings } from "../support/settings.ts";

Deno.test("health facts become a report", () => {
  const none = { total: 0, pending: 0, delivered: 0, failed: 0 };
  const failing = [{
    endpoint_id: "e",
    name: "n",
    failures_in_a_row: 6,
    last_failure_ago_ms: 60_000,
    first_failure_at: "2026-01-29T10:00:00.000000Z",
    is_alerts_only: false,
  }];
  const figures = {
    endpoint_id: "e",
    name: "n",
    url: "https://a.example/?token=secret",
    is_active: true,
    attempts: 9,
    delivered: 3,
    failed: 1,
    pending: 2,
    latency_ms: { p50: 99.6, p95: 2_000, p99: 61_500 },
    oldest_pending_ms: 90_500,
    next_due_in_ms: 0,
  };
  const unknown = { latency_ms: null, oldest_pending_ms: null, next_due_in_ms: null };
  const idle = { ...figures, endpoint_id: "i", attempts: 0, delivered: 0, failed: 0, pending: 0, ...unknown };
  const facts = {
    last_hour: { total: 12, pending: 1, delivered: 5, failed: 6 },
    last_24_hours: none,
    pending: 1,
    due_for_ms: null,
    failing,
    switched_off: [],
  };
  const report = core.judgeHealth(facts, testSettings(), [figures, idle]);
  assert.deepEqual(report, {
    healthy: false,
    version: core.version(),
    reasons: [
      { code: "failure_rate", message: "6 of 11 deliveries failed in the last hour" },
      { code: "circuit_breaker", message: "endpoints that failed 5 or more times in a row: 1" },
    ],
    stats: { last_hour: { total: 12, pending: 1, delivered: 5, failed: 6 }, last_24_hours: none },
    circuit_breakers: {
      open: 1,
      configs: [{ endpoint_id: "e", name: "n", state: "open", failures_in_a_row: 6, probe_in_s: 240 }],
    },
    endpoints_window_s: 86_400,
    endpoints: [{
      endpoint_id: "e",
      name: "n",
      protocol: "http",
      is_active: true,
      attempts: 9,
      delivered: 3,
      failed: 1,
      pending: 2,
      success_rate: 0.75,
      latency_ms: { p50: 100, p95: 2_000, p99: 61_500 },
      oldest_pending_s: 90,
      next_attempt_in_s: 240,
      breaker: {
        state: "open",
        since: "2026-01-29T10:00:00.000000Z",
        failures_in_a_row: 6,
        probe_in_s: 240,
      },
    }, {
      endpoint_id: "i",
      name: "n",
      protocol: "http",
      is_active: true,
      attempts: 0,
      delivered: 0,
      failed: 0,
      pending: 0,
      success_rate: null,
      latency_ms: { p50: null, p95: null, p99: null },
      oldest_pending_s: null,
      next_attempt_in_s: null,
      breaker: { state: "closed", since: null, failures_in_a_row: 0, probe_in_s: null },
    }],
  });
  const open = core.judgeHealth(facts, testSettings());
  assert.deepEqual(open.circuit_breakers, { open: 1, configs: [] });
  assert.deepEqual(Object.keys(open), ["healthy", "version", "reasons", "stats", "circuit_breakers"]);
  assert.deepEqual(Object.keys(core.judgeHealth(facts, testSettings(), null)), Object.keys(open));
  assert.match(core.healthMetrics(facts, testSettings()), /^webhook_healthy 0$/m);
  assert.match(core.healthMetrics(facts, testSettings(), [figures]), /^webhook_endpoint_attempts\{.*\} 9$/m);
});

Deno.test("health has two forms, and another one is refused with both", () => {
  assert.equal(core.readHealthFormat(null), "json");
  assert.equal(core.readHealthFormat("prometheus"), "prometheus");
  assert.throws(() => core.readHealthFormat("xml"), {
    name: "HealthFormatError",
    code: "invalid_format",
    message: 'format: expected json or prometheus, got "xml"',
  });
});

Deno.test("health facts become alerts, and what was sent before becomes the end of one", () => {
  const none = { total: 0, pending: 0, delivered: 0, failed: 0 };
  const facts: core.HealthFacts = {
    last_hour: none,
    last_24_hours: none,
    pending: 101,
    due_for_ms: null,
    failing: [],
    switched_off: [{ id: "e", name: "shop" }],
  };
  const open: core.OpenAlert[] = [{
    cause: "circuit_breaker",
    endpoint: { id: "f", name: "mill" },
    since: "2026-01-29T10:00:00Z",
    since_ago_ms: 60_000,
    sent_ago_ms: 60_000,
    is_active: null,
  }];
  const now = "2026-01-29T10:01:00Z";
  const alerts = core.alertsDue(facts, open, testSettings(), "all", now);
  assert.deepEqual(alerts.map(({ cause, state, endpoint }) => [cause, state, endpoint]), [
    ["pending", "firing", null],
    ["endpoint_switched_off", "firing", { id: "e", name: "shop" }],
    ["circuit_breaker", "resolved", { id: "f", name: "mill" }],
  ]);
  assert.deepEqual(JSON.parse(alerts[0]!.data).figures, { pending: 101, threshold: 100 });
  assert.equal(JSON.parse(alerts[0]!.data).since, now);
  assert.equal(JSON.parse(alerts[2]!.data).since, open[0]!.since);
  assert.deepEqual(core.alertsDue(facts, open, testSettings(), "dispatcher", now), []);
  assert.equal(core.alertsDue(facts, open, testSettings(), "endpoints", now).length, 2);
  assert.equal(core.alertEvent(), "webhook.alert");
});

Deno.test("what the log gets of attempts has the log's names", () => {
  const dispatcher = new core.Dispatcher(testSettings(), () => undefined);
  const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
  const attempts = [{ deliveryId: "d", attempt: 1, traceId }];
  const answered = (status: number): core.Outcome => ({
    answered: { status, location: null, retryAfter: null, body: "hidden" },
  });
  dispatcher.settle([
    { endpointId: "e", attempts, ends: [answered(200)], durationMs: 31 },
    { endpointId: "e", attempts, ends: [answered(500)], durationMs: 7 },
  ], 0);
  assert.deepEqual(dispatcher.takeFailed(), [
    {
      delivery_id: "d",
      endpoint: "e",
      attempt: 1,
      trace_id: traceId,
      outcome: "answered",
      status: "pending",
      http_status: 500,
      duration_ms: 7,
      error: `HTTP 500; trace ${traceId}; attempt 1 of 16, next in 2 s`,
    },
  ]);
  assert.deepEqual(dispatcher.takeServed(1), [
    { endpoint: "e", endpoints: 1, delivered: 1, retrying: 1, exhausted: 0, not_listed: 0, longest_ms: 31 },
  ]);
  assert.deepEqual(dispatcher.takeServed(1), []);
});

Deno.test("a test request becomes an envelope, numbers kept as they were written", () => {
  const body =
    '{"event_type": "user.joined_community", "event_data": {"n": 12345678901234567890, "d": 1.10}}';
  assert.deepEqual(core.readTestRequest(body, "2026-01-29T10:00:00.000Z", "r"), {
    eventType: "user.joined_community",
    payload:
      '{"event":"user.joined_community","timestamp":"2026-01-29T10:00:00.000Z","actor_user_id":null,"request_id":"r","test":true,"data":{"n": 12345678901234567890, "d": 1.10}}',
    receiver: "subscribers",
    dryRun: false,
    tamper: null,
  });
  assert.equal(core.readTestRequest("", "t", "r").eventType, "webhook.test");
  const of = (receiver: string) =>
    core.readTestRequest(`{${receiver}, "dry_run": true, "tamper": "body"}`, "", "");
  const id = "0a6e3f6e-4f0e-4a58-9d2f-9a1b2c3d4e5f";
  assert.deepEqual(of(`"endpoint_id": "${id}"`).receiver, { id });
  assert.deepEqual(of('"endpoint": "n"').receiver, { name: "n" });
  assert.deepEqual(of('"url": "u"').receiver, { adHoc: { url: "u", secretKey: null } });
  const { receiver, dryRun, tamper } = of('"url": "u", "secret": "s"');
  assert.deepEqual([receiver, dryRun, tamper], [{ adHoc: { url: "u", secretKey: "s" } }, true, "body"]);
});

Deno.test("a test is planned as a delivery is, and wrong where that is asked for", () => {
  const dispatcher = new core.Dispatcher(testSettings(), () => undefined);
  const signed = [{ ...row, secret_key: "whsec_AQID" }];
  const head = (tamper: string | null) => requestOf(dispatcher.planTest(signed, tamper, 0).batches[0]!).head;
  assert.equal(head(null), requestOf(dispatcher.plan(signed, 0).batches[0]!).head);
  assert.equal(head("missing").includes("webhook-signature"), false);
  const shape = ({ code }: Error & { code: string }) => code === "shape";
  assert.throws(() => dispatcher.planTest(signed, "Missing", 0), shape);
  const { batches: [batch] } = dispatcher.planTest([{ ...row, url: "kafka://b.example/t" }], null, 0);
  assert("steps" in batch!.carrier);
  const { body, attributes } = dispatcher.message(batch!.carrier.steps)!;
  assert.deepEqual([JSON.parse(body).idempotency_key, attributes[1]], [row.id, ["webhook-id", row.id]]);
  assert.equal(dispatcher.message(4_711), undefined);
  const answered = (status: number) => ({ answered: { status, location: null, retryAfter: null, body: "" } });
  const seen = [401, 200, 503].map((status) => core.sawThrough(answered(status), true));
  assert.deepEqual([seen, core.sawThrough(answered(401), false)], [[true, false, undefined], undefined]);
  assert.throws(() => core.sawThrough({} as core.Outcome, true), shape);
});

Deno.test("a fingerprint tells secrets apart and shows none", async () => {
  const oracle = async (bytes: Uint8Array<ArrayBuffer>) => {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return [...digest.slice(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  assert.deepEqual(core.secretFingerprints("a-plain-secret whsec_AQID"), [
    { fingerprint: `sha256:${await oracle(new TextEncoder().encode("a-plain-secret"))}`, kind: "plain" },
    { fingerprint: `sha256:${await oracle(new Uint8Array([1, 2, 3]))}`, kind: "whsec" },
  ]);
  assert.deepEqual(core.secretFingerprints(""), []);
});

Deno.test("a test belongs to its caller's trace", () => {
  const { payload } = core.readTestRequest("", "t", "r", `00-${traceId}-00f067aa0ba902b7-01`);
  assert.equal(JSON.parse(payload).trace_id, traceId);
});

Deno.test("what a run is told becomes spans, as the variables have it", () => {
  const variables: Record<string, string> = {
    OTEL_EXPORTER_OTLP_ENDPOINT: "https://collector.example",
    OTEL_EXPORTER_OTLP_HEADERS: "api-key=a%20b",
    OTEL_EXPORTER_OTLP_TIMEOUT: "soon",
  };
  const variable = (name: string) => variables[name];
  assert.deepEqual(core.readTraceSettings(() => undefined), { export: null, errors: [] });
  assert.deepEqual(core.readTraceSettings(variable), {
    export: {
      url: "https://collector.example/v1/traces",
      headers: [["api-key", "a b"]],
      timeoutMs: 10_000,
    },
    errors: [
      'OTEL_EXPORTER_OTLP_TIMEOUT: expected a whole number from 1 to 120000, got "soon"; using 10000',
    ],
  });
  const run = new core.RunTrace({
    id: row.id,
    traceparent: null,
    function: "f",
    method: "POST",
    scheme: "https",
    path: "/f",
    startMs: 1_769_680_800_000.5,
  }, variable);
  assert.match(run.traceparent(), new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
  run.claimed([row, { ...row, id: "x", url: null }], false, 1, 2);
  run.planned(1, ["x"], 2, 3);
  const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  run.sent(
    {
      endpointId: "e",
      attempts: [{ ...attempts[0]!, traceId: parent.slice(3, 35), parent }],
      ends: [{ timedOut: { afterMs: 9 } }],
      durationMs: 9,
    },
    3,
    4,
  );
  run.recorded(1, 4, 5);
  run.failed("record", "57P01", 5, 6);
  run.end(200, 1_769_680_800_001.25);
  assert.deepEqual([run.waiting, run.dropped], [6, 0]);
  const spans = [run.take(5), run.take(5)].flatMap((body) =>
    JSON.parse(body).resourceSpans[0].scopeSpans[0].spans
  );
  assert.deepEqual(spans.map(({ name }) => name), [
    "claim webhook_deliveries",
    "plan",
    "POST",
    "record webhook_deliveries",
    "record webhook_deliveries",
    "POST /functions/v1/f",
  ]);
  assert.equal(spans[2].parentSpanId, "b7ad6b7169203331");
  assert.deepEqual([spans[5].startTimeUnixNano, spans[5].endTimeUnixNano], [
    "1769680800000500000",
    "1769680800001250000",
  ]);
  run.free();
  assert.equal(core.rejectedSpans('{"partialSuccess": {"rejectedSpans": "7"}}'), 7);
  const shapeless = { id: 7 } as unknown as core.TracedRequest;
  assert.equal(thrown(() => new core.RunTrace(shapeless, variable)).code, "shape");
});
