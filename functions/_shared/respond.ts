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

  constructor(readonly status: number, readonly code: string, message: string) {
    super(message);
  }
}

export function json(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" },
  });
}

/** Checks the method, turns errors into answers and logs what the caller is not to see. */
export function guarded(methods: readonly string[], log: Log, handler: Handler): Handler {
  return async (request) => {
    try {
      if (!methods.includes(request.method)) {
        throw new RequestError(405, "method_not_allowed", `Use ${methods.join(" or ")}.`);
      }
      return await handler(request);
    } catch (error) {
      if (error instanceof RequestError) {
        return json({ error: { code: error.code, message: error.message } }, error.status);
      }
      return failure(error, log);
    }
  };
}

/** Refuses callers without a key. */
export function unauthorized(): RequestError {
  return new RequestError(
    401,
    "unauthorized",
    "Send a secret key of the project in the apikey header, or the service role key as bearer token.",
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
