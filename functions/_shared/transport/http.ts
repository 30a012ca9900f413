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
import { connect, type ConnectOptions, keyOf, openSocket, type Peer } from "./connect.ts";
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

/**
 * Takes in all that has come of an answer; with `isOver` there will be no more. 0: more is to come; 1: that was it; 2: that
 * was it, and the connection can carry another request. Throws where it is no answer.
 */
export type ReadAnswer = (received: Uint8Array, isOver: boolean) => number;

/** What there is to send, and how much of the answer's body is wanted. */
export interface Bytes {
  bytes: Uint8Array;
  mostAnswerBytes: number;
}

/** As `SendHttp`, with bytes: what comes in goes to `read`. Resolves to what went wrong, if something did. */
export type SendBytes = (
  peer: Peer,
  request: Bytes,
  timeoutMs: number,
  read: ReadAnswer,
) => Promise<Outcome | undefined>;

export interface HttpTransport {
  send: SendHttp;
  sendBytes: SendBytes;
  /** Closes the connections that wait for another request. Those after it are made anew. */
  close: () => void;
}

export interface HttpTransportOptions extends Partial<ConnectOptions> {
  /**
   * The IP addresses of a host that may be called, in the order of trying; IPv6 hosts are in brackets, addresses are
   * not. Asked for each request. An error whose name is `AddressError` says that there is none.
   */
  addresses: (host: string) => readonly string[] | Promise<readonly string[]>;
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

  const exchange = async (peer: Peer, request: Bytes, deadline: Deadline, read: ReadAnswer) => {
    const known = options.addresses(peer.host);
    const addresses = known instanceof Promise ? await deadline.within(known) : known;
    const keys = addresses.map((address) => keyOf(peer, address));
    for (let reused = pool.take(keys);; reused = pool.take(keys)) {
      const connection = reused ?? await connect(peer, addresses, deadline, connectOptions);
      deadline.onOver = () => connection.close();
      const sending = connection.send(request.bytes, request.mostAnswerBytes);
      try {
        const isReusable = await receive(connection, read);
        if (isReusable && connection.isSent && !deadline.isOver) pool.put(connection);
        else connection.close();
        return;
      } catch (error) {
        connection.close();
        if (!reused || deadline.isOver) throw error;
        // It may have died unnoticed. Another one is safe only if the receiver cannot have seen anything.
        await deadline.within(sending);
        if (!connection.isUntouched) throw error;
      }
    }
  };

  const sendBytes: SendBytes = async (peer, request, timeoutMs, read) => {
    const deadline = new Deadline(timeoutMs, "timed out");
    try {
      await exchange(peer, request, deadline, read);
    } catch (error) {
      return deadline.isOver ? { timedOut: { afterMs: timeoutMs } } : failure(peer, error as Error);
    } finally {
      deadline.clear();
    }
  };

  const send: SendHttp = async (request, timeoutMs, withHeaders = false) => {
    const start = performance.now();
    const { mostAnswerBytes } = request;
    let answer: Answer | undefined;
    const read = (received: Uint8Array, isOver: boolean) => {
      answer = readAnswer(received, isOver, mostAnswerBytes, withHeaders);
      if (!answer) return 0;
      return answer.reusable ? 2 : 1;
    };
    const bytes = encoder.encode(request.head + request.body);
    const failed = await sendBytes(request, { bytes, mostAnswerBytes }, timeoutMs, read);
    const durationMs = Math.round(performance.now() - start);
    if (failed || !answer) return { outcome: failed ?? noAnswer(request), headers: {}, durationMs };
    const { status, location, retryAfter, body, head } = answer;
    const headers = head === null ? {} : joined(headerFields(head));
    return { outcome: { answered: { status, location, retryAfter, body } }, headers, durationMs };
  };

  return { send, sendBytes, close: () => pool.close() };
}

/** Reads while the request is still being written: a receiver may answer early, and close. */
async function receive(connection: Connection, read: ReadAnswer): Promise<boolean> {
  while (true) {
    const isOpen = await connection.receive();
    try {
      const progress = read(connection.received, !isOpen || connection.isFull);
      if (progress > 0) return progress === 2;
    } catch (error) {
      throw connection.broken ?? error;
    }
  }
}

/** Its reason names the receiver only: path and query may hold tokens. */
function failure({ host, port }: Peer, error: Error): Outcome {
  if (error.name === "AddressError") return { addressRefused: { reason: error.message } };
  return { connectionFailed: { reason: `${host}:${port}: ${error.message}` } };
}

function noAnswer(peer: Peer): Outcome {
  return failure(peer, new Error("closed the connection before it answered"));
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
