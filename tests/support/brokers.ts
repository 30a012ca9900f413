/**
 * What deliveries go to beside receivers: real brokers, or the vendors' own emulators, each with an independent client
 * that reads back what has arrived. See `brokers/serve.py`.
 *
 * @module
 */

import assert from "node:assert/strict";

export type Kind = "sqs" | "moto" | "pubsub" | "noida" | "tansu" | "librdkafka" | "kafka";

/** A part that is up. */
export interface Part {
  /** Its address and credentials. */
  about: Record<string, string>;
  /** Asks it something: the operations are the `do_…` methods of the part. */
  // deno-lint-ignore no-explicit-any
  ask: (op: string, question?: Record<string, unknown>) => Promise<any>;
  /** Kills it: whoever is connected is cut off. */
  end: () => Promise<void>;
}

const SERVE = new URL("brokers/serve.py", import.meta.url).pathname;
const PARTS = (Deno.env.get("TEST_BROKERS") ?? "").split(",");

/** A test of something that may be missing on a machine: the gate says so, and counts it. */
export function partTest(kind: Kind, name: string, body: (part: Part, t: Deno.TestContext) => Promise<void>) {
  Deno.test({ name, ignore: !PARTS.includes(kind), fn: (t) => withPart(kind, (part) => body(part, t)) });
}

/** Whether all of these can be started here. */
export function haveParts(...kinds: Kind[]): boolean {
  return kinds.every((kind) => PARTS.includes(kind));
}

/** Runs with a part and ends it afterwards. */
export async function withPart<T>(kind: Kind, body: (part: Part) => Promise<T>): Promise<T> {
  const python = Deno.env.get("TEST_BROKERS_PYTHON");
  assert(python, "run `npm test -- protocols`");
  const child = new Deno.Command(python, {
    args: [SERVE, kind],
    env: { PYTHONDONTWRITEBYTECODE: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [questions, answers] = [child.stdin.getWriter(), linesOf(child.stdout)];
  const complaints = new Response(child.stderr).text();
  let isOver = false;
  const read = async () => {
    const { value, done } = await answers.next();
    if (done) throw new Error(`${kind} has ended:\n${await complaints}`);
    return JSON.parse(value);
  };
  const end = async () => {
    if (isOver) return;
    isOver = true;
    await questions.close().catch(() => {});
    await child.status;
    await complaints;
    await answers.return(undefined);
  };
  try {
    return await body({
      about: await read(),
      ask: async (op, question = {}) => {
        await questions.write(new TextEncoder().encode(JSON.stringify({ op, ...question }) + "\n"));
        const { ok, error } = await read();
        if (error !== undefined) throw new Error(error);
        return ok;
      },
      end,
    });
  } finally {
    await end();
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
