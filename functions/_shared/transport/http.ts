/**
 * HTTP/1.1 over sockets of our own: `fetch` resolves names by itself, so that it need not call the address that was
 * judged, and it takes several times the CPU. The core writes the request and reads the answer; bytes are moved here.
 *
 * No redirect is followed, no answer is read further than a row keeps of it, and within one attempt no byte of a
 * request is sent twice.
 *
 * @module
 */

import { type Answer, headerFields, type HttpRequest, type Outcome, readAnswer } from "../core.ts";
import { connect, type ConnectOptions, keyOf, openSocket } from "./connect.ts";
import type { Connection } from "./connection.ts";
import { Deadline } from "./deadline.ts";
import { Pool } from "./pool.ts";

/** What came of a request. */
export interface Exchange {
  outcome: Outcome;
  /** The answer's headers, names in lower case; empty where there was no answer or nobody has asked for them. */
  headers: Record<string, string>;
  /** From the start of the request to the end of the answer, in milliseconds. */
  durationMs: number;
}

/**
 * Sends a request; `timeoutMs` is for the whole exchange, from the name's resolution to the answer's end. Never
 * rejects: what goes wrong is an outcome.
 */
export type SendHttp = (request: HttpRequest, timeoutMs: number, withHeaders?: boolean) => Promise<Exchange>;

export interface HttpTransport {
  send: SendHttp;
  /** Closes the connections that wait for another request. Those after it are made anew. */
  close: () => void;
}

export interface HttpTransportOptions extends Partial<ConnectOptions> {
  /**
   * The IP addresses of a host that may be called, in the order of trying; IPv6 hosts are in brackets, addresses are
   * not. Asked for each request. An error whose name is `AddressError` says that there is none.
   */
  addresses: (host: string) => Promise<string[]>;
}

const encoder = new TextEncoder();

export function createHttpTransport(options: HttpTransportOptions): HttpTransport {
  const connectOptions = {
    caCerts: [],
    connectTimeoutMs: 5_000,
    openSocket,
    alpnProtocols: ["http/1.1"],
    ...options,
  };
  const pool = new Pool();

  const exchange = async (request: HttpRequest, deadline: Deadline, withHead: boolean): Promise<Answer> => {
    const addresses = await deadline.within(options.addresses(request.host));
    const keys = addresses.map((address) => keyOf(request, address));
    const bytes = encoder.encode(request.head + request.body);
    for (let reused = pool.take(keys);; reused = pool.take(keys)) {
      const connection = reused ?? await connect(request, addresses, deadline, connectOptions);
      deadline.onOver = () => connection.close();
      const sending = connection.send(bytes, request.mostAnswerBytes);
      try {
        const answer = await receive(connection, request.mostAnswerBytes, withHead);
        if (answer.reusable && connection.isSent && !deadline.isOver) pool.put(connection);
        else connection.close();
        return answer;
      } catch (error) {
        connection.close();
        if (!reused || deadline.isOver) throw error;
        // It may have died unnoticed. Another one is safe only if the receiver cannot have seen anything.
        await deadline.within(sending);
        if (!connection.isUntouched) throw error;
      }
    }
  };

  const send: SendHttp = async (request, timeoutMs, withHeaders = false) => {
    const start = performance.now();
    const deadline = new Deadline(timeoutMs, new Error("timed out"));
    let outcome: Outcome;
    let headers = {};
    try {
      const { status, location, retryAfter, body, head } = await exchange(request, deadline, withHeaders);
      outcome = { answered: { status, location, retryAfter, body } };
      if (head !== null) headers = joined(headerFields(head));
    } catch (error) {
      outcome = deadline.isOver ? { timedOut: { afterMs: timeoutMs } } : failure(request, error as Error);
    }
    deadline.clear();
    return { outcome, headers, durationMs: Math.round(performance.now() - start) };
  };

  return { send, close: () => pool.close() };
}

/** Reads while the request is still being written: a receiver may answer early, and close. */
async function receive(connection: Connection, mostBodyBytes: number, withHead: boolean): Promise<Answer> {
  while (true) {
    const isOpen = await connection.receive();
    try {
      const isOver = !isOpen || connection.isFull;
      const answer = readAnswer(connection.received, isOver, mostBodyBytes, withHead);
      if (answer) return answer;
    } catch (error) {
      throw connection.broken ?? error;
    }
  }
}

/** Its reason names the receiver only: path and query may hold tokens. */
function failure({ host, port }: HttpRequest, error: Error): Outcome {
  if (error.name === "AddressError") return { addressRefused: { reason: error.message } };
  return { connectionFailed: { reason: `${host}:${port}: ${error.message}` } };
}

/** Repeated headers make one value. */
function joined(fields: [string, string][]): Record<string, string> {
  const headers = new Map<string, string>();
  for (const [name, value] of fields) {
    const known = headers.get(name.toLowerCase());
    headers.set(name.toLowerCase(), known === undefined ? value : `${known}, ${value}`);
  }
  return Object.fromEntries(headers);
}
