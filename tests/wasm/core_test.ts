/** The module through its boundary: the vectors that the Rust tests read, each shape there and back, errors. */

import assert from "node:assert/strict";
import * as core from "../../functions/_shared/core.ts";
import { attempts, row, thrown, traceId } from "../support/boundary.ts";
import { requestOf } from "../support/http.ts";
import { testSettings } from "../support/settings.ts";

const encode = (text: string) => new TextEncoder().encode(text);

async function vectors<T>(name: string): Promise<T[]> {
  return JSON.parse(await Deno.readTextFile(new URL(`../vectors/${name}.json`, import.meta.url)));
}

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
    refillAt: 0,
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
    wire: {
      idempotencyKeys: true,
      standardWebhooks: true,
      traceContext: true,
      protocols: "all",
      transport: "sockets",
    },
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
