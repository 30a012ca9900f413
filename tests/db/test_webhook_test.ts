/** test-webhook: what it sends, what it shows, what it leaves in the table. */

import assert from "node:assert/strict";
import { Webhook } from "standardwebhooks";
import { createHandler } from "../../functions/test-webhook/handler.ts";
import { databaseTest, deliveries, insertEndpoint } from "../support/database.ts";
import { closedPort, withReceiver } from "../support/receiver.ts";
import { post, testRuntime } from "../support/runtime.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

databaseTest("the admin pages' request reaches all subscribed endpoints", async (database) => {
  await withReceiver(
    () => new Response("thanks", { status: 202, headers: { "x-request": "7" } }),
    async (receiver) => {
      const { sql } = database;
      const subscribed = await insertEndpoint(sql, {
        url: receiver.url,
        events: ["webhook.test"],
        secret_key: SECRET,
      });
      await insertEndpoint(sql, { url: receiver.url, events: ["order.paid"] });
      await insertEndpoint(sql, { url: receiver.url, events: ["webhook.test"], is_active: false });
      const handler = createHandler(testRuntime(database));
      const answer = await handler(post({ event_type: "webhook.test", event_data: {} }));
      assert.equal(answer.status, 200);
      const { deliveries: results, ...summary } = await answer.json();
      assert.deepEqual(summary, { event_type: "webhook.test", total: 1, delivered: 1 });
      assert.equal(results.length, 1);
      const [result] = results;
      assert.deepEqual([result.endpoint_id, result.status, result.error], [subscribed, "delivered", null]);
      assert.equal(result.response.status, 202);
      assert.equal(result.response.body, "thanks");
      assert.equal(result.response.headers["x-request"], "7");
      assert.equal(typeof result.duration_ms, "number");
      // Oracle: base64 -d | sha256sum
      assert.deepEqual([result.stored, result.secrets], [true, [{
        fingerprint: "sha256:f74e1720",
        kind: "whsec",
      }]]);

      assert.equal(receiver.received.length, 1);
      const [received] = receiver.received;
      // What it shows is what was sent.
      assert.equal(result.request.body, received?.text);
      for (const [name, value] of result.request.headers) {
        assert.equal(received?.headers.get(name), value, name);
      }
      const envelope = new Webhook(SECRET).verify(received!.text, Object.fromEntries(received!.headers)) as {
        event: string;
        idempotency_key: string;
      };
      assert.deepEqual([envelope.event, envelope.idempotency_key], ["webhook.test", result.delivery_id]);
      const [row] = await deliveries(sql);
      assert.deepEqual([row?.id, row?.status, row?.attempts, row?.response_status], [
        result.delivery_id,
        "delivered",
        1,
        202,
      ]);
    },
  );
});

databaseTest("each of the nine events has a sample, sent to one endpoint by id", async (database) => {
  await withReceiver(undefined, async (receiver) => {
    // Switched off: an endpoint is tested before it is switched on.
    const id = await insertEndpoint(database.sql, { url: receiver.url, events: [], is_active: false });
    const handler = createHandler(testRuntime(database));
    const types = [
      "user.joined_platform",
      "user.joined_community",
      "user.registered_event",
      "user.cancelled_registration",
      "user.posted_comment",
      "user.flagged_comment",
      "user.referred_user",
      "discussion.auto_closed",
      "discussion.extended",
    ];
    for (const event_type of types) {
      const answer = await handler(post({ event_type, endpoint_id: id }));
      assert.equal((await answer.json()).delivered, 1, event_type);
    }
    const envelopes = receiver.received.map((one) => JSON.parse(one.text));
    assert.deepEqual(envelopes.map((envelope) => envelope.event), types);
    assert.equal(envelopes[1].data.member_count, 42);
    const own = {
      event_type: "user.joined_community",
      event_data: { community_id: "mine" },
      endpoint_id: id,
    };
    await handler(post(own));
    assert.deepEqual(JSON.parse(receiver.received.at(-1)!.text).data, { community_id: "mine" });
  });
});

databaseTest("a failing endpoint is shown as it is and not tried again", async (database) => {
  const { sql } = database;
  const refused = await insertEndpoint(sql, { url: `http://127.0.0.1:${closedPort()}/` });
  const wrong = await insertEndpoint(sql, { url: "ftp://example.com/" });
  const handler = createHandler(testRuntime(database));
  const test = async (endpoint_id: string) =>
    (await (await handler(post({ endpoint_id }))).json()).deliveries[0];
  const unanswered = await test(refused);
  assert.deepEqual([unanswered.status, unanswered.response], ["failed", null]);
  assert.match(unanswered.error, /^connection failed: .*; trace [0-9a-f]{32}; gave up after attempt 1$/);
  assert.equal(unanswered.request.method, "POST");
  const unsent = await test(wrong);
  assert.deepEqual([unsent.status, unsent.request, unsent.response], ["failed", null, null]);
  assert.match(unsent.error, /unsupported protocol "ftp"/);
  assert.deepEqual((await deliveries(sql)).map((row) => row.status), ["failed", "failed"]);
});

databaseTest("wrong requests are named, and leave nothing behind", async (database) => {
  const handler = createHandler(testRuntime(database));
  const endpoint = await insertEndpoint(database.sql, { url: "https://a.example/" });
  await insertEndpoint(database.sql, { url: "https://b.example/" });
  const cases: [unknown, number, string][] = [
    [{ event_type: "user.exploded" }, 400, "invalid_event_type"],
    [{ event_typ: "user.joined_community" }, 400, "unknown_field"],
    [{ event_type: 7 }, 400, "invalid_event_type"],
    [{ event_data: "text" }, 400, "invalid_event_data"],
    [{ event_data: [] }, 400, "invalid_event_data"],
    [{ event_data: 7 }, 400, "invalid_event_data"],
    [{ endpoint_id: "7" }, 400, "invalid_endpoint_id"],
    [{ endpoint_id: crypto.randomUUID() }, 404, "unknown_endpoint"],
    [{ endpoint: "nobody" }, 404, "unknown_endpoint"],
    [{ endpoint: "endpoint" }, 404, "ambiguous_endpoint"],
    [{ endpoint: "endpoint", endpoint_id: crypto.randomUUID() }, 400, "several_receivers"],
    [{ dry_run: true, endpoint_id: crypto.randomUUID() }, 404, "unknown_endpoint"],
    [{ dry_run: true, event_data: { text: "\0" }, endpoint_id: endpoint }, 400, "invalid_event_data"],
    [{}, 404, "no_subscriber"],
    [[], 400, "invalid_body"],
    [{ event_data: { text: "\0" }, endpoint_id: endpoint }, 400, "invalid_event_data"],
    [{ event_data: { text: "\ud800" }, endpoint_id: endpoint }, 400, "invalid_event_data"],
  ];
  for (const [body, status, code] of cases) {
    const answer = await handler(post(body));
    assert.deepEqual([answer.status, (await answer.json()).error.code], [status, code], JSON.stringify(body));
  }
  const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
  for (const value of ["1e400000", deep]) {
    const body = `{"endpoint_id": "${endpoint}", "event_data": {"a": ${value}}}`;
    const answer = await handler(new Request(post().url, { method: "POST", headers: post().headers, body }));
    assert.deepEqual([answer.status, (await answer.json()).error.code], [400, "invalid_event_data"]);
  }
  assert.equal((await handler(post({}, {}))).status, 401);
  assert.equal((await deliveries(database.sql)).length, 0);
});

databaseTest("an endpoint is tested by its name, if one alone has it", async (database) => {
  await withReceiver(undefined, async (receiver) => {
    const { sql } = database;
    const id = await insertEndpoint(sql, { name: "Zoë's receiver", url: receiver.url, is_active: false });
    await insertEndpoint(sql, { name: "another", url: receiver.url, events: ["webhook.alert"] });
    const handler = createHandler(testRuntime(database));
    const body = {
      event_type: "webhook.alert",
      endpoint: "Zoë's receiver",
      event_data_override: { title: "mine" },
    };
    const { delivered, deliveries: [result] } = await (await handler(post(body))).json();
    assert.deepEqual([delivered, result.endpoint_id, result.stored], [1, id, true]);
    const { event, data } = JSON.parse(receiver.received[0]!.text);
    assert.deepEqual([event, data.title, data.figures.failures_in_a_row], ["webhook.alert", "mine", 5]);
    assert.deepEqual((await deliveries(sql)).map((row) => row.id), [result.delivery_id]);

    await insertEndpoint(sql, { name: "Zoë's receiver", url: receiver.url });
    const ambiguous = await handler(post(body));
    const { error } = await ambiguous.json();
    assert.deepEqual([ambiguous.status, error.code], [404, "ambiguous_endpoint"]);
    assert.match(error.message, new RegExp(`^endpoint: 2 have this name; name one by endpoint_id: ${id}, `));
    assert.equal(receiver.received.length, 1);
  });
});

databaseTest(
  "a dry run shows what endpoints would get; nothing is sent and nothing is stored",
  async (database) => {
    await withReceiver(undefined, async (receiver) => {
      const { sql } = database;
      const events = ["user.joined_community"];
      await insertEndpoint(sql, { url: receiver.url, events, secret_key: SECRET });
      await insertEndpoint(sql, { url: "http://10.0.0.1/", events, secret_key: SECRET });
      const handler = createHandler(testRuntime(database));
      const own = '{"event_type": "user.joined_community", "dry_run": true, ' +
        '"event_data_override": {"member_count": 12345678901234567890, "fee": 1.10}}';
      const ask = new Request(post().url, { method: "POST", headers: post().headers, body: own });
      const text = await (await handler(ask)).text();
      assert(!text.includes(SECRET) && !text.includes(SECRET.slice(6)), text);
      const { deliveries: results, ...summary } = JSON.parse(text);
      assert.deepEqual(summary, {
        event_type: "user.joined_community",
        total: 2,
        delivered: 0,
        dry_run: true,
      });
      const [planned, refused] = results;
      assert.deepEqual([planned.status, planned.stored, refused.status], ["planned", false, "failed"]);
      assert.match(refused.error, /^not sent: url: 10\.0\.0\.1 is a private address/);
      assert.match(planned.request.body, /"fee": 1\.10, .*"member_count": 12345678901234567890,/);
      const headers = Object.fromEntries(
        planned.request.headers.map(([name, value]: [string, string]) => [name.toLowerCase(), value]),
      );
      assert.doesNotThrow(() => new Webhook(SECRET).verify(planned.request.body, headers));
      assert.deepEqual([receiver.received.length, (await deliveries(sql)).length], [0, 0]);

      // What it shows is what is sent but for id, time and what follows from them.
      const wet = { event_type: "user.joined_community", event_data_override: { fee: 1 } };
      const { deliveries: [sent] } = await (await handler(post(wet))).json();
      const names = (request: { headers: [string, string][] }) => request.headers.map(([name]) => name);
      assert.deepEqual(names(sent.request), names(planned.request));
    });
  },
);

databaseTest("what is wrong on purpose leaves no row, and speaks against nobody", async (database) => {
  const { sql } = database;
  await withReceiver(() => new Response(null, { status: 401 }), async (receiver) => {
    const endpoint = { url: receiver.url, events: ["webhook.test"] };
    await insertEndpoint(sql, { ...endpoint, name: "signed", secret_key: SECRET });
    await insertEndpoint(sql, { ...endpoint, name: "unsigned" });
    const handler = createHandler(testRuntime(database));
    for (let n = 0; n < 6; n += 1) {
      const answer = await (await handler(post({ endpoint: "signed", tamper: "signature" }))).json();
      assert.deepEqual([answer.passed, answer.tamper, answer.delivered], [true, "signature", 0]);
    }
    const { passed, deliveries: results } = await (await handler(post({ tamper: "missing" }))).json();
    assert.deepEqual([passed, results.map((result: { passed: boolean | null }) => result.passed)], [null, [
      true,
      null,
    ]]);
    assert.equal(receiver.received.length, 7);
    assert.equal((await deliveries(sql)).length, 0);
  });
});
