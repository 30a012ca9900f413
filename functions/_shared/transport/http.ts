/**
 * HTTP as `fetch` does it: one request, one exchange. No redirect is followed, and no answer is read further than
 * a row keeps of it.
 *
 * @module
 */

import type { HttpRequest, Outcome } from "../core.ts";

/** What came of a request. */
export interface Exchange {
  outcome: Outcome;
  /** The answer's headers; empty where there was none. */
  headers: Record<string, string>;
  /** From the start of the request to the end of the answer, in milliseconds. */
  durationMs: number;
}

/** Sends a request; `timeoutMs` is for the whole exchange. Never rejects: what goes wrong is an outcome. */
export type Send = (request: HttpRequest, timeoutMs: number) => Promise<Exchange>;

/** Enough for the 1000 characters that a row keeps, whatever their length in bytes. */
const MOST_BODY_BYTES = 4_000;

export const send: Send = async (request, timeoutMs) => {
  const start = performance.now();
  const exchange = (outcome: Outcome, headers: Record<string, string> = {}): Exchange => ({
    outcome,
    headers,
    durationMs: Math.round(performance.now() - start),
  });
  try {
    const response = await fetch(request.url, {
      method: request.method,
      headers: request.headers,
      body: request.body,
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
    const body = await startOf(response);
    const { status, headers } = response;
    const answered = {
      status,
      location: headers.get("location"),
      retryAfter: headers.get("retry-after"),
      body,
    };
    return exchange({ answered }, Object.fromEntries(response.headers));
  } catch (error) {
    if (error instanceof DOMException && error.name === "TimeoutError") {
      return exchange({ timedOut: { afterMs: timeoutMs } });
    }
    return exchange({ connectionFailed: { reason: reasonOf(error as Error, request.url) } });
  }
};

/** What the runtime says, its causes included. Its messages quote the URL, whose query may hold a token. */
function reasonOf(error: Error, url: string): string {
  const messages = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) messages.push(at.message);
  return messages.join(": ").replaceAll(url, new URL(url).origin);
}

/** The start of an answer's body. The status has said it all: a body that breaks off changes nothing. */
async function startOf(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (!reader) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  try {
    while (bytes < MOST_BODY_BYTES) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.length;
      text += decoder.decode(value, { stream: true });
    }
  } catch {
    return text;
  }
  reader.cancel().catch(() => {});
  return text;
}
