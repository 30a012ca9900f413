/** npm start, ended and killed: it leaves nothing behind that the next start trips over. */

import assert from "node:assert/strict";
import { closedPort } from "../support/receiver.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

interface Start {
  /** Resolves when a line with this text has come. */
  says: (text: string) => Promise<void>;
  child: Deno.ChildProcess;
  shown: () => string;
}

function start(ports: number[], ...options: string[]): Start {
  const [api, db, receiver] = ports.map(String);
  const child = new Deno.Command("node", {
    args: ["stack/start.mjs", "--api-port", api!, "--db-port", db!, "--receiver-port", receiver!, ...options],
    cwd: ROOT,
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let shown = "";
  const waiting: (() => void)[] = [];
  const reading = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      shown += text;
      for (const check of waiting) check();
    }
  })();
  const says = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const check = () => shown.includes(text) && resolve();
      waiting.push(check);
      check();
      reading.then(() => reject(new Error(`it never said "${text}":\n${shown}`)));
    });
  return { says, child, shown: () => shown };
}

/** Listening proves that nobody else does. */
function assertFree(ports: number[]): void {
  for (const port of ports) Deno.listen({ port, hostname: "127.0.0.1" }).close();
}

for (const moment of ["starting PostgreSQL", "starting the functions", "causing the nine events", "Up:"]) {
  Deno.test(`ended at "${moment}", it ends all that it started`, async () => {
    const ports = [closedPort(), closedPort(), closedPort()];
    const { says, child, shown } = start(ports);
    await says(moment);
    child.kill("SIGTERM");
    assert.equal((await child.status).code, 0, shown());
    assertFree(ports);
  });
}

Deno.test("after it was killed, the next start cleans up and delivers", async () => {
  const ports = [closedPort(), closedPort(), closedPort()];
  const killed = start(ports);
  await killed.says("Up:");
  killed.child.kill("SIGKILL");
  await killed.child.status;
  const next = start(ports, "--once");
  assert.equal((await next.child.status).code, 0, next.shown());
  assert.match(next.shown(), /ending 5 processes that an earlier start left behind/);
  assertFree(ports);
});

Deno.test("npm run emit finds the stack that is up, and says so when none is", async () => {
  const ports = [closedPort(), closedPort(), closedPort()];
  const { says, child, shown } = start(ports);
  await says("Up:");
  // Where another start is up, that one has the name that emit looks for.
  const [, file] = /addresses and keys: (.*?);/.exec(shown()) ?? [];
  const isFound = file === ".local/stack.json";
  const { secret_key, api_url } = JSON.parse(await Deno.readTextFile(`${ROOT}${file}`));
  const emit = async (...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command("npm", {
      args: ["run", "--silent", "emit", "--", ...args],
      cwd: ROOT,
      env: {
        SUPABASE_SECRET_KEY: isFound ? "" : secret_key,
        SUPABASE_SERVICE_ROLE_KEY: "",
        SUPABASE_URL: "",
      },
    }).output();
    const [out, said] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assert(!`${out}${said}`.includes(secret_key), "the key shows");
    return { code, out: out!, said: said! };
  };
  const at = isFound ? [] : ["--url", `${api_url}/functions/v1`];
  const sent = await emit(
    "user.flagged_comment",
    "--endpoint",
    "local receiver",
    "--set",
    "reason=tested",
    ...at,
  );
  assert.equal(sent.code, 0, sent.said);
  assert.match(sent.out, /^answer +200 \{"received":true\}$/m);
  assert.match(sent.out, /"reason": "tested"/);
  const checked = await emit("webhook.test", "--endpoint", "local receiver", "--tamper", "signature", ...at);
  assert.equal(checked.code, 0, checked.out);
  assert.match(checked.out, /^answer +401 .*No matching signature found/m);
  child.kill("SIGTERM");
  assert.equal((await child.status).code, 0, shown());
  if (!isFound) return;
  const none = await emit("webhook.test");
  assert.deepEqual([none.code, none.out], [1, ""]);
  assert.match(none.said, /^error: no local stack is up: npm start starts one; or set SUPABASE_URL/);
});

Deno.test("a port in use is one clear line", async () => {
  const ports = [closedPort(), closedPort(), closedPort()];
  const holder = Deno.listen({ port: ports[1]!, hostname: "127.0.0.1" });
  const { child, says } = start(ports, "--once");
  await says(`error: port ${ports[1]} for PostgreSQL is in use`);
  assert.equal((await child.status).code, 1);
  holder.close();
});
