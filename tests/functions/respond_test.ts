/** What surrounds every handler: methods, bodies, errors that leak nothing. */

import assert from "node:assert/strict";
import { guarded, textOf } from "../../functions/_shared/respond.ts";
import { listenOptions } from "../../functions/_shared/env.ts";
import { createLog, type Fields } from "../../functions/_shared/log.ts";
import { createRuntime } from "../../functions/_shared/runtime.ts";
import { createHandler as createDispatcher } from "../../functions/webhook-dispatcher/handler.ts";
import { createHandler as createTest } from "../../functions/test-webhook/handler.ts";
import { createHandler as createHealth } from "../../functions/webhook-health/handler.ts";
import { closedPort } from "../support/receiver.ts";

const request = (method: string, body?: string) =>
  new Request("http://localhost/", { method, body: body ?? null });

Deno.test("only the named methods are answered", async () => {
  const handler = guarded(["POST"], () => {}, () => Promise.resolve(new Response("ok")));
  assert.equal((await handler(request("POST"))).status, 200);
  const refused = await handler(request("GET"));
  assert.equal(refused.status, 405);
  assert.equal(refused.headers.get("allow"), "POST");
  assert.deepEqual(await refused.json(), { error: { code: "method_not_allowed", message: "Use POST." } });
});

Deno.test("what went wrong inside goes to the log and not to the caller", async () => {
  const logged: Fields[] = [];
  const handler = guarded(["POST"], (_level, _message, fields = {}) => logged.push(fields), () => {
    throw new Error('relation "secrets" does not exist');
  });
  const answer = await handler(request("POST"));
  assert.equal(answer.status, 500);
  assert(!(await answer.text()).includes("secrets"));
  assert.equal(logged[0]?.error, 'Error: relation "secrets" does not exist');
});

Deno.test("a log line is one JSON object", () => {
  const lines: string[] = [];
  createLog("webhook-dispatcher", (line) => lines.push(line))("warn", "two\nlines", { count: 2 });
  assert.equal(lines.length, 1);
  assert(!lines[0]!.includes("\n"));
  const { ts, version, ...rest } = JSON.parse(lines[0]!);
  assert.match(version, /^\d+\.\d+\.\d+$/);
  assert.equal(new Date(ts).toISOString(), ts);
  assert.deepEqual(rest, { level: "warn", msg: "two\nlines", function: "webhook-dispatcher", count: 2 });
});

Deno.test("more lines than the platform keeps are left out and counted, details first", () => {
  const lines: string[] = [];
  let now = 1_000_000;
  const log = createLog("webhook-dispatcher", (line) => lines.push(line), () => now);
  for (let n = 0; n < 500; n++) log("warn", "attempt_failed", { n }, true);
  log("info", "dispatched", { text: "x".repeat(2_000) });
  now += 10_000;
  log("info", "dispatched");
  const seen = lines.map((line) => JSON.parse(line));
  const failed = seen.filter(({ msg }) => msg === "attempt_failed").length;
  assert(failed > 0 && failed < 100);
  assert.deepEqual(seen.slice(failed).map(({ msg, count }) => [msg, count]), [
    ["lines_omitted", 500 - failed],
    ["dispatched", undefined],
    ["dispatched", undefined],
  ]);
  assert.equal(seen[failed + 1].text.length, 1_000);
  assert.equal(seen.at(-1).ts, new Date(now).toISOString());
});

Deno.test("a port that is none is named", () => {
  assert.deepEqual(listenOptions(() => undefined), { port: 8000, hostname: "127.0.0.1" });
  const variables: Record<string, string> = { PORT: "0", HOST: "0.0.0.0" };
  assert.deepEqual(listenOptions((name) => variables[name]), { port: 0, hostname: "0.0.0.0" });
  for (const PORT of ["http", "-1", "65536", "80.5"]) {
    assert.throws(
      () => listenOptions((name) => ({ PORT })[name as "PORT"]),
      /^Error: PORT: expected a number/,
    );
  }
});

Deno.test("a missing or unreachable database is one clear answer", async () => {
  const variables: Record<string, string> = { SUPABASE_SERVICE_ROLE_KEY: "key" };
  const runtime = () => ({ ...createRuntime("test", (name) => variables[name]), log: () => {} });
  const call = () =>
    createDispatcher(runtime())(
      new Request("http://localhost/", { method: "POST", headers: { apikey: "key" } }),
    );
  const missing = await call();
  assert.equal(missing.status, 500);
  assert.match((await missing.json()).error.message, /SUPABASE_DB_URL is not set/);

  const malformed = ["pa/ss", "se#cret", "100%sure"].map((password) =>
    `postgresql://u:${password}@db.x:5432/p`
  );
  for (const url of [...malformed, "https://db.x/", "localhost", "postgresql:///p"]) {
    variables.SUPABASE_DB_URL = url;
    const answer = await call();
    assert.equal(answer.status, 500, url);
    const { error } = await answer.json();
    assert.equal(error.code, "configuration", url);
    assert.match(error.message, /^SUPABASE_DB_URL is no valid postgresql:\/\/ URL/);
    assert(!error.message.includes(url), url);
  }

  variables.SUPABASE_DB_URL = `postgresql://postgres:hidden-password@127.0.0.1:${closedPort()}/postgres`;
  for (const answer of [await call(), await createHealth(runtime())(request("GET"))]) {
    assert.equal(answer.status, 503);
    const text = await answer.text();
    assert.equal(JSON.parse(text).error.code, "database");
    assert(!text.includes("hidden-password"));
  }
});

Deno.test("browsers may call what they have a use for, and nothing else", async () => {
  const runtime = { ...createRuntime("test", () => undefined), log: () => {} };
  for (const handler of [createHealth(runtime), createTest(runtime)]) {
    const preflight = await handler(request("OPTIONS"));
    assert.equal(preflight.status, 204);
    const allowed = preflight.headers.get("access-control-allow-headers")!.split(", ");
    // Pages that trace themselves send traceparent.
    for (const name of ["apikey", "content-type", "traceparent"]) assert(allowed.includes(name), name);
    // A refusal is readable for the page, too.
    const refused = await handler(request("DELETE"));
    assert.equal(refused.status, 405);
    assert.equal(refused.headers.get("access-control-allow-origin"), "*");
    assert.equal(refused.headers.get("access-control-allow-credentials"), null);
  }
  const preflight = await createDispatcher(runtime)(request("OPTIONS"));
  assert.equal(preflight.status, 405);
  assert.equal(preflight.headers.get("access-control-allow-origin"), null);
});

Deno.test("a body that is too long is not read to its end", async () => {
  let pulled = 0;
  const body = new ReadableStream({
    pull: (controller) => {
      pulled++;
      controller.enqueue(new Uint8Array(1_024));
    },
  });
  const endless = new Request("http://localhost/", { method: "POST", body });
  await assert.rejects(textOf(endless, 10_000), {
    name: "RequestError",
    code: "body_too_large",
    status: 413,
  });
  assert(pulled < 20, String(pulled));
  assert.equal(await textOf(request("POST", "é".repeat(4_000)), 8_000), "é".repeat(4_000));
  assert.equal(await textOf(request("POST"), 1), "");
});

Deno.test("the platform's warning reaches the runtime", () => {
  const { stop } = createRuntime("test", () => undefined);
  assert(!stop.aborted);
  dispatchEvent(new Event("beforeunload"));
  assert(stop.aborted);
});
