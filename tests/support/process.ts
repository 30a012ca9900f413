/**
 * A function in a process of its own, started as a user starts it: `deno run …/index.ts`.
 *
 * @module
 */

import { SECRET_KEY, TEST_VARIABLES } from "./runtime.ts";

export interface FunctionProcess {
  /** Calls it with a key; rejects if the process ends meanwhile. */
  call: (body?: unknown) => Promise<Response>;
  url: string;
  /** Ends it: SIGKILL leaves it no time for anything. */
  end: (signal: Deno.Signal) => Promise<void>;
}

const FUNCTIONS = new URL("../../functions", import.meta.url).pathname;

/** `folder` is where the functions lie. */
export async function startFunction(
  name: string,
  databaseUrl: string,
  variables: Record<string, string> = {},
  folder = FUNCTIONS,
): Promise<FunctionProcess> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-env", "--allow-net", `${folder}/${name}/index.ts`],
    env: {
      SUPABASE_DB_URL: databaseUrl,
      SUPABASE_SECRET_KEYS: JSON.stringify({ default: SECRET_KEY }),
      NO_COLOR: "1",
      PORT: "0",
      ...TEST_VARIABLES,
      ...variables,
    },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const url = await listeningUrl(child);
  return {
    url,
    call: (body) =>
      fetch(url, {
        method: "POST",
        headers: { apikey: SECRET_KEY },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    end: async (signal) => {
      child.kill(signal);
      await child.status;
    },
  };
}

/** Reads both streams to their end, so that the process never waits for a reader. */
async function listeningUrl(child: Deno.ChildProcess): Promise<string> {
  const found = Promise.withResolvers<string>();
  let shown = "";
  const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      shown += text;
      const [, port] = /Listening on http:\/\/[^/]*:(\d+)/.exec(shown) ?? [];
      if (port) found.resolve(`http://127.0.0.1:${port}/`);
    }
  };
  Promise.all([read(child.stdout), read(child.stderr)]).finally(() => found.reject(new Error(shown)));
  return await found.promise;
}
