/** The module through its boundary: the vectors that the Rust tests read, each shape there and back, errors. */

import assert from "node:assert/strict";
import * as core from "../../functions/_shared/core.ts";
import { requestOf } from "../support/http.ts";
import { testSettings } from "../support/settings.ts";

const encode = (text: string) => new TextEncoder().encode(text);

async function vectors<T>(name: string): Promise<T[]> {
  return JSON.parse(await Deno.readTextFile(new URL(`../vectors/${name}.json`, import.meta.url)));
}

/** What a call throws, with its code. */
function thrown(call: () => unknown): { name: string; code: string; message: string } {
  try {
    call();
  } catch (error) {
    assert(error instanceof Error);
    return error as unknown as { name: string; code: string; message: string };
  }
  throw new Error("nothing was thrown");
}

const row: core.ClaimedRow = {
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
const traceId = row.id.replaceAll("-", "");
const attempts = [{ deliveryId: row.id, attempt: 1, traceId }];

Deno.test("signatures equal the vectors and verify", async () => {
  interface Case {
    name: string;
    secret_key: string;
    id: string;
    timestamp: number;
    body: string;
    webhook_signature: string;
    x_webhook_signature: string;
  }
  const cases = await vectors<Case>("signatures");
  assert.equal(cases.length, 6);
  for (const { name, secret_key, id, timestamp, body, ...expected } of cases) {
    const bytes = encode(body);
    const signature = core.standardSignature(secret_key, id, timestamp, bytes);
    assert.equal(signature, expected.webhook_signature, name);
    assert.equal(core.bodySignature(secret_key, bytes), expected.x_webhook_signature, name);
    core.verifySignature(secret_key, id, String(timestamp), expected.webhook_signature, bytes, timestamp);
  }
  assert.equal(cases[0]?.webhook_signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  assert.equal(core.standardSignature("", "id", 1, encode("")), undefined);
});

Deno.test("the HMAC cases of RFC 4231 pass, and WebCrypto agrees", async () => {
  interface Case {
    name: string;
    key_hex: string;
    data_hex: string;
    mac_hex: string;
  }
  const cases = await vectors<Case>("hmac-sha256-rfc4231");
  assert.equal(cases.length, 7);
  const bytes = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (digits) => parseInt(digits, 16));
  let signed = 0;
  for (const { name, key_hex, data_hex, mac_hex } of cases) {
    const key = bytes(key_hex);
    const oracle = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, [
      "sign",
    ]);
    const mac = new Uint8Array(await crypto.subtle.sign("HMAC", oracle, bytes(data_hex)));
    const hex = Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join("");
    assert(hex.startsWith(mac_hex), name);
    // A body signature's key is text without blanks: the cases whose key is such a text go through it.
    const text = new TextDecoder().decode(key);
    if (
      !/[ \t\r\n]/.test(text) && encode(text).length === key.length &&
      encode(text).every((byte, at) => byte === key[at])
    ) {
      assert.equal(core.bodySignature(text, bytes(data_hex)), `sha256=${hex}`, name);
      signed++;
    }
  }
  assert.equal(signed, 3);
});

Deno.test("target URLs are judged as the vectors have it, by the runtime's own parser", async () => {
  const cases = await vectors<{ url: string; protocol?: string; error?: string }>("targets");
  assert.equal(cases.length, 178);
  for (const { url, protocol, error } of cases) {
    if (protocol !== undefined) {
      assert.equal(core.checkTargetUrl(url), protocol, url);
      assert.equal(core.protocolFromUrl(url), protocol, url);
    } else {
      const { name, message } = thrown(() => core.checkTargetUrl(url));
      assert.equal(name, "TargetError", url);
      assert.equal(message, error, url);
    }
  }
});

Deno.test("a claimed row becomes a request, and its outcome a row update", () => {
  const dispatcher = new core.Dispatcher(testSettings({ maxAttempts: 3 }), () => undefined);
  const plan = dispatcher.plan(
    [row, { ...row, endpoint_id: "missing", url: null, is_active: null }],
    1_769_680_800_000,
  );
  assert.equal(plan.batches.length, 1);
  const { carrier, ...batch } = plan.batches[0]!;
  assert("request" in carrier);
  const { request } = carrier;
  assert.deepEqual(batch, { endpointId: "e", attempts, timeoutMs: 10_000 });
  assert.equal(request.url, row.url);
  assert.equal(request.method, "POST");
  assert(request.body.startsWith(row.payload!.slice(0, -1)), request.body);
  const headers = new Headers(core.headerFields(request.head));
  core.verifySignature(
    row.secret_key!,
    headers.get("webhook-id")!,
    headers.get("webhook-timestamp")!,
    headers.get("webhook-signature")!,
    encode(request.body),
    1_769_680_800,
  );
  assert.deepEqual(plan.refused, [{
    id: row.id,
    attempt: 1,
    status: "failed",
    disposition: "exhausted",
    response_status: null,
    response_body: null,
    error_message: `not sent: endpoint: there is none with this webhook_config_id; trace ${traceId}`,
  }]);

  const outcomes: core.Outcome[] = [
    { answered: { status: 204, location: null, retryAfter: null, body: "é" } },
    { answered: { status: 302, location: "https://b.example/", retryAfter: null, body: "" } },
    { timedOut: { afterMs: 10_000 } },
    { connectionFailed: { reason: "refused" } },
    { addressRefused: { reason: "url: b.example resolves to 10.0.0.5" } },
    { answered: { status: 410, location: null, retryAfter: null, body: "" } },
  ];
  const { updates, gone, opened } = dispatcher.settle(
    outcomes.map((outcome) => ({ endpointId: "e", attempts, ends: [outcome], durationMs: 7 })),
    0,
  );
  assert.deepEqual([gone, opened], [["e"], []]);
  assert.deepEqual(updates.map((update) => [update.status, update.response_status, update.error_message]), [
    ["delivered", 204, null],
    [
      "pending",
      302,
      `HTTP 302: redirects are not followed; it names https://b.example/; trace ${traceId}; attempt 1 of 3, next in 2 s`,
    ],
    ["pending", null, `timed out after 10000 ms; trace ${traceId}; attempt 1 of 3, next in 2 s`],
    ["pending", null, `connection failed: refused; trace ${traceId}; attempt 1 of 3, next in 2 s`],
    [
      "pending",
      null,
      `not sent: url: b.example resolves to 10.0.0.5; trace ${traceId}; attempt 1 of 3, next in 2 s`,
    ],
    ["failed", 410, `HTTP 410; trace ${traceId}; the receiver wants no more deliveries`],
  ]);
  assert.equal(updates[0]?.response_body, "é");
});

Deno.test("what the tables say of endpoints becomes an order to claim", () => {
  const dispatcher = new core.Dispatcher(testSettings(), () => undefined);
  const facts: core.EndpointFacts = {
    id: "e",
    url: "https://a.example/#rate=10/s",
    is_active: true,
    due: 5,
    next_due_in_ms: null,
    under_way: 0,
    failures: 0,
    last_failure_ago_ms: 0,
    paused_for_ms: 0,
  };
  dispatcher.observe([
    facts,
    { ...facts, id: "f", url: "https://b.example/", due: 3, next_due_in_ms: 1_500.5 },
    { ...facts, id: "g", failures: 5, last_failure_ago_ms: 1_000 },
    { ...facts, id: "h", url: null, is_active: null, due: 1 },
  ], 1_000_000);
  assert.deepEqual(dispatcher.rateWindows().map(({ id, window_ms }) => [id, window_ms]), [
    ["e", 900],
    ["g", 900],
  ]);
  assert.deepEqual(dispatcher.claimOrder(100, 1_000_000), {
    allowances: [
      { id: "e", most: 1, batch: 1, under_way: 0, quiet_ms: null },
      { id: "f", most: 3, batch: 1, under_way: 0, quiet_ms: null },
      { id: "h", most: 1, batch: 1, under_way: 0, quiet_ms: null },
    ],
    rows: 100,
    waitMs: 299_000,
    paceMs: null,
  });
  dispatcher.heed("e", 10, 1_000_000);
  assert.equal(dispatcher.claimOrder(100, 1_000_000).paceMs, 100);
});

Deno.test("what a call asks for is read from its body", () => {
  assert.deepEqual(core.readCall('{"name": "cron"}'), { replay: null, lingerMs: null });
  assert.equal(core.readCall('{"linger_s": 60}').lingerMs, 60_000);
  assert.deepEqual(core.readCall('{"replay": {"event_type": "order.paid"}}').replay, {
    ids: null,
    endpointId: null,
    eventType: "order.paid",
    from: null,
    to: null,
    limit: 1_000,
    dryRun: false,
  });
});

Deno.test("settings come from variables, and wrong ones are named", () => {
  const variables: Record<string, string> = { WEBHOOK_CONCURRENCY: "7", WEBHOOK_LEASE: "soon" };
  const { errors, ...settings } = core.readSettings((name) => variables[name]);
  assert.deepEqual(settings, {
    retryDelaysMs: [2, 4, 8, 16, 32, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 28_800, 28_800].map((
      s,
    ) => s * 1_000),
    maxAttempts: 16,
    clientErrorAttempts: 5,
    jitterPercent: 20,
    breakerFailures: 5,
    breakerPauseMs: 300_000,
    rateLimit: null,
    concurrency: 7,
    endpointConcurrency: 4,
    requestTimeoutMs: 10_000,
    maxPayloadBytes: 1_048_576,
    leaseMs: 60_000,
    timeBudgetMs: 50_000,
    retryWaitMs: 3_000,
    lingerPollMs: 2_000,
    closeLookbackMs: 86_400_000,
    allowedAddresses: "",
    wire: { idempotencyKeys: true, standardWebhooks: true, traceContext: true, protocols: "all" },
    alerts: {
      isOn: true,
      failurePercent: 50,
      leastFinished: 5,
      mostPending: 100,
      longestDueMs: 300_000,
      reminderMs: 3_600_000,
    },
  });
  assert.equal(errors.length, 1);
  assert.match(errors[0]!, /^WEBHOOK_LEASE: expected a time like .*, got "soon"; using 1m$/);
});

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

Deno.test("a request goes where the runtime's URL says", () => {
  const urls = [
    "HTTP://Example.COM:80",
    "https://bücher.example:8443/ü?ü=/@:#ü",
    "http://[2001:DB8:0::1]/a?b?c",
    "http://[::1]:443/",
    "https://0x7f.1:443/..//b\\c",
  ];
  for (const text of urls) {
    const url = new URL(text);
    const { batches, refused } = new core.Dispatcher(
      testSettings({ allowedAddresses: "0.0.0.0/0, ::/0" }),
      () => undefined,
    )
      .plan(
        [{ ...row, url: text }],
        0,
      );
    assert.deepEqual(refused, []);
    const { host, port, tls, head } = requestOf(batches[0]!);
    const defaultPort = url.protocol === "https:" ? 443 : 80;
    assert.deepEqual([host, port, tls], [url.hostname, Number(url.port) || defaultPort, defaultPort === 443]);
    const [requestLine, hostHeader] = head.split("\r\n");
    assert.equal(requestLine, `POST ${url.pathname}${url.search} HTTP/1.1`);
    assert.equal(hostHeader, `Host: ${url.host}`);
  }
});

Deno.test("an answer is read from the bytes that are there", () => {
  const read = (text: string, isClosed = false, withHead = false) =>
    core.readAnswer(encode(text), isClosed, 4_000, withHead);
  const head = "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 3\r\n\r\n";
  const answer = { status: 429, location: null, retryAfter: "7", body: "bad", reusable: true, head: null };
  assert.equal(read(`${head}ba`), undefined);
  assert.deepEqual(read(`${head}bad`), answer);
  assert.deepEqual(read(`${head}ba`, true), { ...answer, body: "ba", reusable: false });
  assert.deepEqual(read(`${head}bad`, false, true), { ...answer, head });
  assert.deepEqual(core.headerFields(head), [["Retry-After", "7"], ["Content-Length", "3"]]);
  const { name, code, message } = thrown(() => read("220 smtp.example ESMTP\r\n"));
  assert.deepEqual([name, code], ["AnswerError", "not_http"]);
  assert.match(message, /^answered with something that is no HTTP\/1\.1: /);
});

Deno.test("errors have a name, a code and a message", () => {
  const wrong = (call: () => unknown) => {
    const { name, code } = thrown(call);
    return `${name} ${code}`;
  };
  const verify = (timestamp: string, now: number, secret = "s") => () =>
    core.verifySignature(secret, "id", timestamp, "v1,", encode(""), now);
  assert.equal(wrong(() => core.protocolFromUrl("ftp://x")), "TargetError unsupported_scheme");
  assert.equal(wrong(() => core.checkTargetUrl("")), "TargetError empty");
  assert.equal(wrong(verify("1", 1, "")), "VerifyError missing_secret");
  assert.equal(wrong(verify("x", 1)), "VerifyError invalid_timestamp");
  assert.equal(wrong(verify("1", 1_000)), "VerifyError too_old");
  assert.equal(wrong(verify("1000", 1)), "VerifyError too_new");
  assert.equal(wrong(verify("1", 1)), "VerifyError no_match");
  const test = (body: string) => () => core.readTestRequest(body, "", "");
  assert.equal(wrong(test("[]")), "TestRequestError invalid_body");
  assert.equal(wrong(test('{"event_type":1}')), "TestRequestError invalid_event_type");
  assert.equal(wrong(test('{"event_data":1}')), "TestRequestError invalid_event_data");
  assert.equal(wrong(test('{"endpoint_id":1}')), "TestRequestError invalid_endpoint_id");
  // What TypeScript would refuse is an error, not a crash, and the module works on.
  const call = (body: string) => () => core.readCall(body);
  assert.equal(wrong(call("[]")), "CallError invalid_body");
  assert.equal(wrong(call('{"replay": 1}')), "CallError invalid_replay");
  assert.equal(wrong(call('{"replay": {}}')), "CallError unbounded_replay");
  assert.equal(wrong(call('{"linger_s": 0}')), "CallError invalid_linger");
  const dispatcher = new core.Dispatcher(testSettings(), () => undefined);
  assert.equal(wrong(() => dispatcher.plan([{} as core.ClaimedRow], 0)), "ShapeError shape");
  assert.equal(wrong(() => dispatcher.plan([row], NaN)), "ShapeError shape");
  assert.equal(
    wrong(() => new core.Dispatcher(testSettings({ maxAttempts: -1 }), () => undefined)),
    "ShapeError shape",
  );
  assert.equal(
    wrong(() => new core.Dispatcher(testSettings({ leaseMs: 1.5 }), () => undefined)),
    "ShapeError shape",
  );
  assert.equal(dispatcher.plan([row], 0).batches.length, 1);
});

Deno.test("keys are compared whole", () => {
  assert(core.keyMatches("a-key", ["other", "a-key"]));
  assert(!core.keyMatches("a-ke", ["a-key"]));
  assert(!core.keyMatches("", [""]));
});
