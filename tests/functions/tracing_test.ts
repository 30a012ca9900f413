/** Exports of traces that go wrong, and that nobody waits for. No database: the handlers answer by themselves. */

import assert from "node:assert/strict";
import type { Fields } from "../../functions/_shared/log.ts";
import { createTracing, type Run } from "../../functions/_shared/tracing.ts";
import { type Answer, closedPort, withReceiver } from "../support/receiver.ts";

const SECRET = "s3cret";

/** A traced handler that answers with this status, and what it logs. */
function traced(variables: Record<string, string>, status = 200) {
  const lines: (Fields & { message: string })[] = [];
  const runs: Run[] = [];
  const tracing = createTracing({
    functionName: "test",
    variable: (name) => variables[name],
    log: (_level, message, fields = {}) => lines.push({ message, ...fields }),
    newId: () => crypto.randomUUID(),
  });
  const handler = tracing((run) => {
    runs.push(run);
    return () => Promise.resolve(new Response("answer", { status }));
  });
  const call = async () =>
    await (await handler(new Request("http://localhost/test", { method: "POST" }))).text();
  return { call, lines, runs };
}

function variablesFor(url: string): Record<string, string> {
  return { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_EXPORTER_OTLP_HEADERS: `authorization=${SECRET}` };
}

async function withCollector(answer: Answer, body: (url: string, count: () => number) => Promise<void>) {
  await withReceiver(answer, (collector) => body(collector.url, () => collector.received.length));
}

Deno.test("without an endpoint nothing is traced", async () => {
  const { call, lines, runs } = traced({});
  assert.equal(await call(), "answer");
  assert.equal(await call(), "answer");
  assert.deepEqual([runs.length, runs[0]?.traceparent, lines], [1, null, []]);
});

Deno.test("a variable that is wrong is named once, and no value of a header is shown", () => {
  const { lines } = traced({ ...variablesFor("http://127.0.0.1:1"), OTEL_EXPORTER_OTLP_HEADERS: SECRET });
  assert.equal(lines.length, 1);
  assert.equal(lines[0]?.message, "setting_ignored");
  assert.match(String(lines[0]?.error), /^OTEL_EXPORTER_OTLP_HEADERS: expected key=value pairs/);
  assert(!JSON.stringify(lines).includes(SECRET));
});

Deno.test("an export that fails is one line and no failure of the run", async () => {
  const answers: [Answer, Fields][] = [
    [() => new Response(SECRET, { status: 500 }), { status: 500, spans: 1 }],
    [() => new Response(null, { status: 307, headers: { location: `http://127.0.0.1:1/${SECRET}` } }), {
      status: 307,
      spans: 1,
    }],
    [() => Response.json({ partialSuccess: { rejectedSpans: "1", errorMessage: SECRET } }), {
      status: 200,
      spans: 1,
    }],
  ];
  for (const [answer, fields] of answers) {
    await withCollector(answer, async (url, count) => {
      const { call, lines } = traced(variablesFor(url));
      assert.equal(await call(), "answer");
      assert.deepEqual([lines, count()], [[{ message: "traces_not_exported", ...fields }], 1]);
    });
  }
  const { call, lines } = traced(variablesFor(`http://127.0.0.1:${closedPort()}/${SECRET}`));
  assert.equal(await call(), "answer");
  assert.deepEqual(lines, [{ message: "traces_not_exported", error: "TypeError", spans: 1 }]);
});

Deno.test("a collector that does not answer is given up", async () => {
  const released = Promise.withResolvers<Response>();
  await withCollector(() => released.promise, async (url) => {
    const { call, lines } = traced({ ...variablesFor(url), OTEL_EXPORTER_OTLP_TIMEOUT: "50" });
    assert.equal(await call(), "answer");
    assert.deepEqual(lines, [{ message: "traces_not_exported", error: "TimeoutError", spans: 1 }]);
    released.resolve(new Response());
  });
});

Deno.test("where the platform goes on afterwards the answer does not wait", async () => {
  const released = Promise.withResolvers<Response>();
  const work: Promise<unknown>[] = [];
  const platform = globalThis as { EdgeRuntime?: unknown };
  platform.EdgeRuntime = { waitUntil: (one: Promise<unknown>) => work.push(one) };
  try {
    await withCollector(() => released.promise, async (url, count) => {
      const { call, lines } = traced(variablesFor(url));
      // The collector has not answered, and will not before this has.
      assert.equal(await call(), "answer");
      assert.equal(work.length, 1);
      released.resolve(Response.json({}));
      await work[0];
      assert.deepEqual([count(), lines], [1, []]);
    });
  } finally {
    delete platform.EdgeRuntime;
  }
});

Deno.test("a caller without a key leaves no span", async () => {
  await withCollector(() => new Response(), async (url, count) => {
    await traced(variablesFor(url), 401).call();
    assert.equal(count(), 0);
    await traced(variablesFor(url), 400).call();
    assert.equal(count(), 1);
  });
});
