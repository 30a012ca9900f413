/**
 * HTTP by the runtime's `fetch`, for a place where sockets are no way out (`WEBHOOK_TRANSPORT`), or HTTP/2 the only way in.
 *
 * The addresses of a name are judged before, but `fetch` resolves it again by itself: a name that changes its mind in
 * between (DNS rebinding) leads where it wants to. `fetch` also unpacks a compressed answer.
 *
 * @module
 */

import { headerFields, type HttpRequest, type Outcome } from "../core.ts";
import { tlsReason } from "./connect.ts";
import { Deadline } from "./deadline.ts";
import type { HttpTransport, HttpTransportOptions, SendHttp } from "./http.ts";

export interface FetchTransportOptions extends Pick<HttpTransportOptions, "addresses"> {
  fetch?: typeof fetch;
}

/** As `createHttpTransport`, without a way to send bytes. Its connections are the runtime's to close. */
export function createFetchTransport(
  { addresses, fetch: call = fetch }: FetchTransportOptions,
): Pick<HttpTransport, "send" | "close"> {
  const exchange = async (request: HttpRequest, deadline: Deadline, signal: AbortSignal) => {
    // Throws where one of them must not be called.
    await deadline.within(Promise.resolve(addresses(request.host)));
    const { url, method, head, body } = request;
    const headers = headerFields(head).filter(([name]) => !BY_FETCH.has(name.toLowerCase()));
    const calling = call(url, { method, headers, body, redirect: "manual", signal });
    const response = await deadline.within(calling);
    return { response, body: await readBody(response, deadline, request.mostAnswerBytes) };
  };

  const send: SendHttp = async (request, timeoutMs, withHeaders = false) => {
    const start = performance.now();
    const deadline = new Deadline(timeoutMs, "timed out");
    const ending = new AbortController();
    let outcome: Outcome;
    let headers = {};
    try {
      const { response, body } = await exchange(request, deadline, ending.signal);
      const [location, retryAfter] = ["location", "retry-after"].map((name) => response.headers.get(name));
      outcome = { answered: { status: response.status, location: location!, retryAfter: retryAfter!, body } };
      if (withHeaders) headers = Object.fromEntries(response.headers);
    } catch (error) {
      outcome = deadline.isOver ? { timedOut: { afterMs: timeoutMs } } : failure(request, error as Error);
    } finally {
      deadline.clear();
      // What was not read to its end is closed.
      ending.abort();
    }
    return { outcome, headers, durationMs: Math.round(performance.now() - start) };
  };

  return { send, close: () => {} };
}

/** `fetch` makes them of the URL and the body. */
const BY_FETCH = new Set(["host", "content-length"]);

/**
 * The start of the body, as far as it is kept. The status has said it all: a body that breaks off, or has not ended when the
 * time is over, counts with what there is of it.
 */
async function readBody(response: Response, deadline: Deadline, mostBytes: number): Promise<string> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  if (!response.body) return "";
  const reader = response.body.getReader();
  let text = "";
  let room = mostBytes;
  try {
    while (room > 0) {
      const { done, value } = await deadline.within(reader.read());
      if (done) return text + decoder.decode();
      text += decoder.decode(value.subarray(0, room), { stream: true });
      room -= value.length;
    }
  } catch {
    // A character that has only begun is dropped.
  }
  return text;
}

/** Its reason names the receiver only: path and query may hold tokens, and the runtime's messages have the whole URL. */
function failure({ host, port, tls }: HttpRequest, error: Error): Outcome {
  if (error.name === "AddressError") return { addressRefused: { reason: error.message } };
  const { message } = error.cause instanceof Error ? error.cause : error;
  // No URL has a blank: what follows this is none of it.
  const [, stage, said = ""] = /client error \((\w+)\): (.*)$/s.exec(message) ?? [];
  return { connectionFailed: { reason: `${host}:${port}: ${meaning(tls && stage === "Connect", said)}` } };
}

/** What hyper says, in the words of the sender that reads answers by itself. */
const MEANINGS: [RegExp, string][] = [
  [/connection closed before message completed/, "closed the connection before it answered"],
  [/invalid HTTP version/, "answered with something that is no HTTP/1.1: another protocol"],
  [/message head is too large/, "answered with more headers than are read"],
];

function meaning(isTls: boolean, said: string): string {
  if (said === "") return "could not be called";
  const [, known] = MEANINGS.find(([pattern]) => pattern.test(said)) ?? [];
  if (known) return known;
  const [, tcp] = /^(?:tcp connect error|dns error): (.*?)(?:: \1)?$/.exec(said) ?? [];
  if (tcp) return tcp;
  return isTls ? tlsReason(new Error(said)) : said;
}
