/** What a run logs: few lines, all of them JSON with the documented names, and nothing that is nobody's business. */

import assert from "node:assert/strict";
import { createLog } from "../../functions/_shared/log.ts";
import { createHandler } from "../../functions/webhook-dispatcher/handler.ts";
import { databaseTest, insertEndpoint } from "../support/database.ts";
import { withReceiver } from "../support/receiver.ts";
import { post, testRuntime } from "../support/runtime.ts";

const DELIVERIES = 5_000;
const ENDPOINTS = 25;
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/** The README's table of log lines: which fields a line has beside `ts`, `level`, `msg` and `function`. */
async function documented(): Promise<Map<string, string[]>> {
  const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  const rows = readme.matchAll(/^\| `([a-z_]+)` \| (?:info|warn|error) \| (.*?) \|/gm);
  return new Map([...rows].map(([, msg, fields]) => [
    msg!,
    [...fields!.matchAll(/`([a-z_]+)`/g)].map(([, name]) => name!).sort(),
  ]));
}

databaseTest(
  "a run of 5,000 deliveries keeps to the platform's limit and counts what it leaves out",
  async (database) => {
    const { sql } = database;
    // Every tenth request fails, and one endpoint always does.
    const answer = (path: string, count: number) => path.startsWith("/0?") || count % 10 === 0 ? 500 : 200;
    await withReceiver(
      ({ path }, count) => new Response("an-answer", { status: answer(path, count) }),
      async (receiver) => {
        for (let n = 0; n < ENDPOINTS; n++) {
          const url = `${receiver.url}/${n}?token=hidden-token`;
          const endpoint = await insertEndpoint(sql, { name: `endpoint ${n}`, url, secret_key: SECRET });
          await sql`
        insert into public.webhook_deliveries (webhook_config_id, event_type, payload)
        select ${endpoint}, 'order.paid', '{"data": {"card": "hidden-payload"}}'
        from generate_series(1, ${DELIVERIES / ENDPOINTS})`;
        }
        const lines: string[] = [];
        // The function's own log, on the machine's own clock.
        const log = createLog("webhook-dispatcher", (line) => lines.push(line));
        const answered = await createHandler({ ...testRuntime(database), log })(post());
        const summary = await answered.json();
        assert.equal(summary.total, receiver.received.length);
        assert(summary.failed > 300, JSON.stringify(summary));

        const parsed = lines.map((line) => JSON.parse(line));
        const times = parsed.map(({ ts }) => Date.parse(ts));
        for (const start of times) {
          const within = times.filter((at) => at >= start && at < start + 10_000).length;
          assert(within < 100, `${within} lines in 10 s`);
        }

        const known = await documented();
        assert(known.size >= 15, `${known.size} lines are documented`);
        for (const { ts: _, level, msg, function: name, version, ...fields } of parsed) {
          assert.equal(name, "webhook-dispatcher");
          assert.match(version, /^\d+\.\d+\.\d+$/);
          assert(["info", "warn", "error"].includes(level));
          assert.deepEqual(Object.keys(fields).sort(), known.get(msg), msg);
        }

        const of = (msg: string) => parsed.filter((line) => line.msg === msg);
        const sum = (msg: string, field: string) => of(msg).reduce((all, line) => all + line[field], 0);
        assert.equal(sum("endpoint_served", "delivered"), summary.processed);
        assert.equal(sum("endpoint_served", "retrying"), summary.retrying);
        assert.equal(sum("endpoint_served", "endpoints"), ENDPOINTS);
        assert.equal(of("endpoint_served").length, 11);
        const listed = of("attempt_failed").length;
        assert(listed > 0);
        const leftOut = sum("endpoint_served", "not_listed") + sum("lines_omitted", "count");
        assert.equal(listed + leftOut, summary.failed);
        for (const { trace_id, http_status, outcome, status } of of("attempt_failed")) {
          assert.match(trace_id, /^[0-9a-f]{32}$/);
          assert.deepEqual([http_status, outcome, status], [500, "answered", "pending"]);
        }
        for (const hidden of ["hidden-token", "hidden-payload", SECRET, "an-answer"]) {
          assert(!lines.some((line) => line.includes(hidden)), hidden);
        }
      },
    );
  },
);
