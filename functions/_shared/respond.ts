/**
 * Answers, and what all handlers do around their work.
 *
 * @module
 */

import type { Log } from "./log.ts";

export type Handler = (request: Request) => Promise<Response>;

/** An error that the caller can do something about; its message is shown. */
export class RequestError extends Error {
  override name = "RequestError";

  /** `headers`: what the answer has beside its body. */
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }
}

export function json(body: unknown, status = 200): Response {
  return text(JSON.stringify(body), "application/json; charset=utf-8", status);
}

export function text(body: string, contentType: string, status = 200): Response {
  return new Response(body, {
    status,
    headers: { "content-type": contentType, "cache-control": "no-store" },
  });
}

/** Pages of other origins may call: only for what a browser has a use for. No cookie is ever looked at. */
const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers":
    "authorization, x-client-info, apikey, content-type, traceparent, tracestate, baggage",
};

/** As `guarded`, and browsers may call it from pages of any origin. */
export function guardedForBrowsers(methods: readonly string[], log: Log, handler: Handler): Handler {
  const guardedHandler = guarded(methods, log, handler);
  return async (request) => {
    const answer = request.method === "OPTIONS"
      ? new Response(null, {
        status: 204,
        headers: { "access-control-allow-methods": methods.join(", "), "access-control-max-age": "86400" },
      })
      : await guardedHandler(request);
    for (const [name, value] of Object.entries(CORS)) answer.headers.set(name, value);
    return answer;
  };
}

/** A request's body. Refuses one of more than `mostBytes` without reading on. */
export async function textOf(request: Request, mostBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  let [read, bytes] = ["", 0];
  for await (const chunk of request.body ?? []) {
    bytes += chunk.length;
    if (bytes > mostBytes) {
      throw new RequestError(413, "body_too_large", `body: has more than ${mostBytes} bytes`);
    }
    read += decoder.decode(chunk, { stream: true });
  }
  return read + decoder.decode();
}

/** Checks the method, turns errors into answers and logs what the caller is not to see. */
export function guarded(methods: readonly string[], log: Log, handler: Handler): Handler {
  return async (request) => {
    try {
      if (!methods.includes(request.method)) {
        const headers = { allow: methods.join(", ") };
        throw new RequestError(405, "method_not_allowed", `Use ${methods.join(" or ")}.`, headers);
      }
      return await handler(request);
    } catch (error) {
      if (error instanceof RequestError) {
        const answer = json({ error: { code: error.code, message: error.message } }, error.status);
        for (const [name, value] of Object.entries(error.headers)) answer.headers.set(name, value);
        return answer;
      }
      return failure(error, log);
    }
  };
}

/** What the core finds wrong with a request, for the caller. */
export function badRequest({ code, message }: { code: string; message: string }): RequestError {
  return new RequestError(400, code, message);
}

/** Refuses callers without a key. */
export function unauthorized(): RequestError {
  return new RequestError(
    401,
    "unauthorized",
    "Send a secret key of the project in the apikey header, or the service role key as bearer token.",
    { "www-authenticate": "Bearer" },
  );
}

/** PostgreSQL's errors have a five-character SQLSTATE, its client's a name in capitals. */
function failure(error: unknown, log: Log): Response {
  const { name = "Error", message = String(error), code = "" } = error as Partial<Error> & { code?: string };
  log("error", "request_failed", { error: `${name}: ${message}`, code: String(code) });
  const isDatabase = name === "PostgresError" || /^(CONNECT|CONNECTION_|E[A-Z]+)/.test(String(code));
  return isDatabase
    ? json(
      { error: { code: "database", message: "The database did not answer as expected; see the log." } },
      503,
    )
    : json({ error: { code: "internal", message: "Something went wrong; see the log." } }, 500);
}
