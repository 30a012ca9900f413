/**
 * The functions as docs/openapi.json describes them: schemathesis makes requests that fit the document and requests that
 * do not, and judges every answer.
 */

import assert from "node:assert/strict";
import { databaseTest, insertEndpoint } from "../support/database.ts";
import { startFunction } from "../support/process.ts";
import { withReceiver } from "../support/receiver.ts";
import { SECRET_KEY } from "../support/runtime.ts";

const PYTHON = Deno.env.get("TEST_API_PYTHON");
const DOCUMENT = new URL("../../docs/openapi.json", import.meta.url).pathname;

/** By function: how many requests there are at least. */
const FUNCTIONS = {
  "webhook-dispatcher": 60,
  "close-expired-discussions": 10,
  "webhook-health": 20,
  "test-webhook": 60,
};

/** Nothing is waited for long: hosts that schemathesis makes up have no address. */
const VARIABLES = { WEBHOOK_REQUEST_TIMEOUT: "500ms", WEBHOOK_LINGER_POLL: "60s" };

for (const [name, least] of PYTHON ? Object.entries(FUNCTIONS) : []) {
  databaseTest(`schemathesis finds ${name} to be as it is described`, async (database) => {
    await withReceiver(undefined, async (receiver) => {
      const endpoint = { name: "my receiver", url: receiver.url, events: ["webhook.test"] };
      await insertEndpoint(database.sql, endpoint);
      const served = await startFunction(name, database.url, VARIABLES);
      try {
        const { code, text } = await schemathesis(name, served.url);
        assert.equal(code, 0, text);
        // A run that tries nothing finds nothing.
        const generated = Number(/(\d+) generated/.exec(text)?.[1]);
        assert(generated >= least, text);
      } finally {
        await served.end("SIGKILL");
      }
    });
  });
}

async function schemathesis(name: string, url: string): Promise<{ code: number; text: string }> {
  const folder = await Deno.makeTempDir();
  try {
    const { code, stdout, stderr } = await new Deno.Command(PYTHON!, {
      args: [
        ...["-m", "schemathesis.cli", "run", DOCUMENT, "--url", url.replace(/\/$/, "")],
        ...["--include-path", `/${name}`, "--header", `apikey: ${SECRET_KEY}`],
        ...["--phases", "examples,coverage,fuzzing", "--checks", "all", "--continue-on-failure"],
        ...["--max-examples", "20", "--seed", "1", "--generation-deterministic"],
        // PostgreSQL's jsonb has no NUL, which a schema of any JSON cannot say.
        ...["--generation-allow-x00", "false"],
        ...["--request-timeout", "30", "--no-color"],
      ],
      cwd: folder,
    }).output();
    return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
