/**
 * A collector of traces, and what it has got, read by OpenTelemetry's own definitions.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Received } from "./receiver.ts";

export interface Span {
  resource: Record<string, string>;
  scope: string;
  traceId: string;
  spanId: string;
  /** Empty where there is none. */
  parentSpanId: string;
  flags: number;
  name: string;
  kind: string;
  startNs: string;
  endNs: string;
  attributes: Record<string, string | number>;
  links: { traceId: string; spanId: string }[];
  status: string;
  message: string;
}

const READ = new URL("traces.py", import.meta.url).pathname;

/** Whether exports can be read here. */
export const canReadTraces = Boolean(Deno.env.get("TEST_PYTHON"));

/** The spans of each export. Fails on whatever the protocol does not have. */
export async function spansOf(exports: readonly Received[]): Promise<Span[][]> {
  const child = new Deno.Command(Deno.env.get("TEST_PYTHON")!, {
    args: [READ],
    env: { PYTHONDONTWRITEBYTECODE: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const writing = writer.write(new TextEncoder().encode(JSON.stringify(exports.map(({ text }) => text))))
    .then(() => writer.close());
  const { success, stdout, stderr } = await child.output();
  await writing;
  assert(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}
