/** The workflow that watches webhook-health: its shell step, as GitHub runs it, against servers of every kind. */

import assert from "node:assert/strict";
import { closedPort } from "../support/receiver.ts";

const workflow = await Deno.readTextFile(
  new URL("../../.github/workflows/webhook-health.yml", import.meta.url),
);

/** The only step's script: what is indented below `run: |`, to the end of the file. */
function script(): string {
  const [, block, ...others] = workflow.split("\n        run: |\n");
  assert(block && others.length === 0);
  return block.split("\n").map((line) => line.replace(/^ {10}/, "")).join("\n");
}

async function run(url: string) {
  const summary = await Deno.makeTempFile();
  try {
    const { code, stdout } = await new Deno.Command("bash", {
      // GitHub's own flags for `run` without `shell`.
      args: ["-e", "-c", script()],
      env: { HEALTH_URL: url, GITHUB_STEP_SUMMARY: summary },
    }).output();
    const shown = await Deno.readTextFile(summary);
    // The log says the same.
    assert.equal(new TextDecoder().decode(stdout), shown);
    return { code, shown };
  } finally {
    await Deno.remove(summary);
  }
}

async function against(answer: () => Response) {
  const asked: { pathname: string; key: string | null }[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    asked.push({ pathname: new URL(request.url).pathname, key: request.headers.get("apikey") });
    return answer();
  });
  try {
    const result = await run(`http://127.0.0.1:${server.addr.port}/functions/v1/webhook-health`);
    assert.deepEqual(asked, [{ pathname: "/functions/v1/webhook-health", key: null }]);
    return result;
  } finally {
    await server.shutdown();
  }
}

Deno.test("a healthy system passes", async () => {
  const { code, shown } = await against(() => Response.json({ healthy: true, reasons: [] }));
  assert.deepEqual([code, shown], [0, "Healthy.\n"]);
});

Deno.test("an unhealthy one fails, and the summary shows every reason", async () => {
  const reasons = [
    { code: "pending", message: "101 deliveries are pending, more than 100" },
    { code: "dispatcher_not_running", message: "a delivery has been due for 301 s and nobody took it" },
  ];
  const { code, shown } = await against(() => Response.json({ healthy: false, reasons }, { status: 503 }));
  assert.equal(code, 1);
  assert.equal(
    shown,
    "Not healthy:\n\n- **pending**: 101 deliveries are pending, more than 100\n" +
      "- **dispatcher_not_running**: a delivery has been due for 301 s and nobody took it\n",
  );
});

Deno.test("a database that does not answer, and a 503 of something else, fail, too", async () => {
  const error = { code: "database", message: "The database did not answer as expected; see the log." };
  const database = await against(() => Response.json({ error }, { status: 503 }));
  assert.deepEqual([database.code, database.shown], [
    1,
    `Not healthy:\n\n- **database**: ${error.message}\n`,
  ]);
  const other = await against(() => new Response("no upstream", { status: 503 }));
  assert.deepEqual([other.code, other.shown], [1, "Not healthy:\n\nIt does not say why.\n"]);
});

Deno.test("a gateway that wants a JWT fails and says what to do", async () => {
  const { code, shown } = await against(() => Response.json({ code: 401 }, { status: 401 }));
  assert.equal(code, 1);
  assert.match(shown, /verify_jwt = false/);
});

Deno.test("another answer fails with its status", async () => {
  const { code, shown } = await against(() => new Response(null, { status: 404 }));
  assert.deepEqual([code, shown], [1, "Unexpected answer: 404\n"]);
});

Deno.test("no answer fails", async () => {
  const { code, shown } = await run(`http://127.0.0.1:${await closedPort()}/`);
  assert.equal(code, 1);
  assert.match(shown, /^No answer from http:\/\/127\.0\.0\.1:/);
});

Deno.test("the workflow has no rights and no action of anybody's", () => {
  assert.match(workflow, /^permissions: \{\}$/m);
  assert(!/uses:|secrets\./.test(workflow));
});
