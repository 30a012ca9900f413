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

Deno.test("a port in use is one clear line", async () => {
  const ports = [closedPort(), closedPort(), closedPort()];
  const holder = Deno.listen({ port: ports[1]!, hostname: "127.0.0.1" });
  const { child, says } = start(ports, "--once");
  await says(`error: port ${ports[1]} for PostgreSQL is in use`);
  assert.equal((await child.status).code, 1);
  holder.close();
});
