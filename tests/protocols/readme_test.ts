/** The README's receivers, run as they stand there: each takes a delivery and refuses an altered one. */

import assert from "node:assert/strict";
import type { HttpRequest } from "../../functions/_shared/core.ts";
import { planned, send } from "../support/http.ts";
import { readmeBlock } from "../support/readme.ts";
import { closedPort } from "../support/receiver.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

interface Program {
  /** The file's ending. */
  ending: string;
  command: (file: string) => [string, string[]];
}

async function receives(language: string, { ending, command }: Program): Promise<void> {
  // Beside the packages that it imports.
  const file = await Deno.makeTempFile({ dir: `${ROOT}node_modules`, suffix: ending });
  await Deno.writeTextFile(file, await readmeBlock(language));
  const port = closedPort();
  const [program, args] = command(file);
  const child = new Deno.Command(program, {
    args,
    env: { WEBHOOK_SECRET: SECRET, PORT: String(port) },
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    const url = `http://127.0.0.1:${port}/`;
    await listening(port, child);
    const request = signed(url);
    await hangUp(port);
    assert.equal(await statusOf(request), 204);
    assert.equal(await statusOf({ ...request, body: request.body.replace("1.10", "1.20") }), 400);
  } finally {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended by itself: the assertions above say so.
    }
    await child.status;
    await Deno.remove(file);
  }
}

/** Somebody who breaks off in the middle of a body must not end the receiver. */
async function hangUp(port: number): Promise<void> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const text = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 100\r\n\r\nbegun";
  await connection.write(new TextEncoder().encode(text));
  connection.close();
}

async function statusOf(request: HttpRequest): Promise<number> {
  const { outcome } = await send(request, 5_000);
  assert("answered" in outcome, JSON.stringify(outcome));
  return outcome.answered.status;
}

/** Resolves as soon as the port takes a connection; rejects if the program ends before. */
async function listening(port: number, child: Deno.ChildProcess): Promise<void> {
  let ended: number | undefined;
  child.status.then(({ code }) => ended = code);
  while (ended === undefined) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  throw new Error(`the receiver ended with ${ended}`);
}

function signed(url: string): HttpRequest {
  return planned(url, {
    id: crypto.randomUUID(),
    payload: '{"event": "order.paid", "data": {"price": 1.10, "to": "Zoë"}}',
    secret_key: SECRET,
  });
}

Deno.test("the README's receiver for Node verifies", async () => {
  await receives("js", { ending: ".mjs", command: (file) => ["node", [file]] });
});

Deno.test("the README's receiver for Deno verifies", async () => {
  const args = (file: string) => ["run", "--no-config", "--no-lock", "--allow-net", "--allow-env", file];
  await receives("ts", { ending: ".ts", command: (file) => [Deno.execPath(), args(file)] });
});

const python = Deno.env.get("TEST_PYTHON");
Deno.test({
  name: "the README's receiver for Python verifies",
  ignore: !python,
  fn: () => receives("python", { ending: ".py", command: (file) => [python!, [file]] }),
});
