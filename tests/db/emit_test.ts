/** npm run emit: from the command line to a receiver and back. */

import assert from "node:assert/strict";
import { Webhook } from "standardwebhooks";
import { databaseTest, deliveries, insertEndpoint, type TestDatabase } from "../support/database.ts";
import { startFunction } from "../support/process.ts";
import { closedPort, withReceiver } from "../support/receiver.ts";
import { SECRET_KEY } from "../support/runtime.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SCRIPT = new URL("../../stack/emit.mjs", import.meta.url).pathname;

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

async function emit(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command("node", { args: [SCRIPT, ...args], env }).output();
  const [out, said] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  for (const secret of [SECRET, SECRET.slice(6), SECRET_KEY]) {
    assert(!out!.includes(secret) && !said!.includes(secret), `a secret shows: ${out}${said}`);
  }
  return { code, stdout: out!, stderr: said! };
}

/** Runs with the function in a process of its own. */
function emitTest(
  name: string,
  body: (database: TestDatabase, emit: (...args: string[]) => Promise<Ended>, url: string) => Promise<void>,
): void {
  databaseTest(name, async (database) => {
    const served = await startFunction("test-webhook", database.url);
    const env = { SUPABASE_SECRET_KEY: SECRET_KEY, EMIT_SECRET: SECRET };
    try {
      await body(database, (...args) => emit([...args, "--url", served.url], env), served.url);
    } finally {
      await served.end("SIGTERM");
    }
  });
}

/** Answers as one that verifies. */
function verifying({ text, headers }: { text: string; headers: Headers }): Response {
  try {
    new Webhook(SECRET).verify(text, Object.fromEntries(headers));
    return Response.json({ received: true });
  } catch {
    return new Response("no such signature", { status: 401 });
  }
}

emitTest("an event reaches an endpoint by its name or its id, as it was written", async (database, emit) => {
  await withReceiver(verifying, async (receiver) => {
    const { sql } = database;
    const id = await insertEndpoint(sql, { name: "my receiver", url: receiver.url, secret_key: SECRET });
    const set = ["--set", "member_count=12345678901234567890", "--set", "community_name=Go Club"];
    const named = await emit("user.joined_community", "--endpoint", "my receiver", ...set);
    assert.equal(named.code, 0, named.stderr);
    assert.match(named.stdout, /^POST http:\/\/127\.0\.0\.1:\d+\/$/m);
    assert.match(named.stdout, /^ {2}webhook-signature: v1,/m);
    assert.match(named.stdout, /^answer +200 \{"received":true\}$/m);
    assert.match(named.stdout, /^secrets +sha256:[0-9a-f]{8} \(whsec\)$/m);
    assert.match(named.stdout, /user\.joined_community: 1 of 1 delivered\n$/);
    assert.match(receiver.received[0]!.text, /"member_count": 12345678901234567890/);
    assert.equal(JSON.parse(receiver.received[0]!.text).data.community_name, "Go Club");

    const data = '{"n": 1.10}';
    const byId = await emit("webhook.alert", "--endpoint", id, "--data", data, "--json");
    assert.equal(byId.code, 0, byId.stderr);
    assert.equal(JSON.parse(byId.stdout).deliveries[0].endpoint_id, id);
    assert.match(receiver.received[1]!.text, /"n": 1\.10\}/);
    assert.equal((await deliveries(sql)).length, 2);

    const nobody = await emit("webhook.test", "--endpoint", "somebody else");
    assert.deepEqual([nobody.code, nobody.stderr], [1, "error: endpoint: there is none with this name\n"]);
  });
});

emitTest("a URL is tried before there is an endpoint, dry, and wrong on purpose", async ({ sql }, emit) => {
  await withReceiver(verifying, async (receiver) => {
    const to = ["--to", receiver.url];
    const dry = await emit("webhook.test", ...to, "--dry-run");
    assert.equal(dry.code, 0, dry.stderr);
    assert.match(dry.stdout, /^signatures +webhook-signature right; X-Webhook-Signature right$/m);
    assert.match(dry.stdout, /webhook\.test: 1 of 1 could be sent; nothing was\n$/);
    assert.equal(receiver.received.length, 0);

    const sent = await emit("webhook.test", ...to);
    assert.equal(sent.code, 0, sent.stderr);
    assert.match(sent.stdout, /^delivery +[0-9a-f-]{36}, not stored$/m);

    const checks: [string, RegExp][] = [
      ["signature", /webhook-signature wrong; X-Webhook-Signature wrong/],
      ["timestamp", /webhook-signature right, but of 60[0-9] s ago; X-Webhook-Signature right/],
      ["body", /webhook-signature wrong; X-Webhook-Signature wrong/],
      ["missing", /signatures +none/],
    ];
    for (const [tamper, check] of checks) {
      const refused = await emit("webhook.test", ...to, "--tamper", tamper);
      assert.equal(refused.code, 0, refused.stdout + refused.stderr);
      assert.match(refused.stdout, check);
      assert.match(refused.stdout, /^expected +the receiver refuses it with a 4xx: it does$/m);
    }
    assert.equal((await deliveries(sql)).length, 0);
  });
  await withReceiver(undefined, async (receiver) => {
    const fooled = await emit("webhook.test", "--to", receiver.url, "--tamper", "body");
    assert.equal(fooled.code, 1);
    assert.match(fooled.stdout, /: it does NOT$/m);
  });
  const unsent = await emit("webhook.test", "--to", "http://10.0.0.1/", "--dry-run");
  assert.equal(unsent.code, 1);
  assert.match(unsent.stdout, /^status +failed: not sent: url: 10\.0\.0\.1 is a private address/m);
});

emitTest("somebody else's text does not move the cursor", async (_, emit) => {
  await withReceiver(() => new Response("\u001b[2Jgone\u009b", { status: 500 }), async (receiver) => {
    const { code, stdout } = await emit("webhook.test", "--to", receiver.url);
    assert.equal(code, 1);
    assert.match(stdout, /^answer +500 \\u001b\[2Jgone\\u009b$/m);
    assert.match(stdout, /^status +failed: HTTP 500; gave up after attempt 1$/m);
  });
});

emitTest("a key that is refused is one clear line", async (_database, _emit, url) => {
  const { code, stderr } = await emit(["webhook.test", "--url", url, "--key", "sb_secret_wrong"]);
  assert.equal(code, 1);
  assert.match(stderr, /^error: .* refuses the key \(401\): [^\n]*\n$/);
});

Deno.test("what is wrong on the command line is one clear line, and nothing is sent", async () => {
  const url = `http://127.0.0.1:${closedPort()}/functions/v1`;
  const at = ["--url", url, "--key", "sb_secret_k"];
  const cases: [string[], RegExp, Record<string, string>?][] = [
    [
      ["user.exploded"],
      /^error: there is no event user\.exploded; there are user\.joined_platform, .*webhook\.alert\n$/,
    ],
    [[], /^error: which event\?/],
    [["webhook.test", "user.joined_platform"], /^error: one event at a time/],
    [["webhook.test", "--endpoint", "a", "--to", "b"], /^error: --endpoint, --to: give one of them\n$/],
    [["webhook.test", "--secret", "s"], /^error: --secret belongs to --to/],
    [
      ["webhook.test", "--to", "b", "--secret-env", "NOT_SET"],
      /^error: --secret-env: the variable NOT_SET is not set\n$/,
    ],
    [["webhook.test", "--data", "[]"], /^error: --data: expected a JSON object/],
    [["webhook.test", "--set", "a"], /^error: --set: expected KEY=VALUE, got "a"\n$/],
    [
      ["webhook.test", "--tamper", "all"],
      /^error: --tamper: expected signature, timestamp, body, missing, got all\n$/,
    ],
    [["webhook.test", "--dry"], /^error: Unknown option '--dry'/],
    [["webhook.test"], /^error: npm has kept --dry-run for itself/, { npm_config_dry_run: "true" }],
    [["webhook.test", ...at], /^error: http:\/\/.* does not answer: .*ECONNREFUSED/],
    [["webhook.test", "--url", "127.0.0.1"], /^error: --url: expected a URL/],
    [["webhook.test", "--url", url], /^error: there is no key for http/],
  ];
  for (const [args, said, env = {}] of cases) {
    const { code, stdout, stderr } = await emit(args, {
      SUPABASE_SECRET_KEY: "",
      SUPABASE_SERVICE_ROLE_KEY: "",
      ...env,
    });
    assert.deepEqual([code, stdout], [1, ""], args.join(" "));
    assert.match(stderr, said, args.join(" "));
    assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
  }
});

Deno.test("the events that are listed are those that the core takes", async () => {
  const { readTestRequest } = await import("../../functions/_shared/core.ts");
  const { code, stdout } = await emit(["--list"]);
  assert.equal(code, 0);
  const known = () => readTestRequest('{"event_type": "?"}', "", "");
  const listed = stdout.trim().split("\n");
  assert.throws(known, ({ message }: Error) => {
    const [, names] = /expected one of (.*), got/.exec(message) ?? [];
    assert.deepEqual(names?.split(", ").sort(), listed.toSorted());
    return true;
  });
  const help = await emit(["--help"]);
  assert.deepEqual([help.code, help.stderr], [0, ""]);
  assert.match(help.stdout, /^npm run emit -- EVENT \[OPTIONS\]/);
});
