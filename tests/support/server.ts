/**
 * A receiver that does to a connection whatever a test wants, right or wrong.
 *
 * @module
 */

import { AssertionError } from "node:assert/strict";

export interface Server {
  port: number;
  /** `http://127.0.0.1:PORT` */
  url: string;
  /** How many connections there were. */
  accepted: number;
  /** The requests that were read, from all connections. */
  requests: ReadRequest[];
}

export interface ReadRequest {
  /** Up to the empty line. */
  head: string;
  body: Uint8Array;
}

/** One connection, from the receiver's side. */
export class Peer {
  readonly conn: Deno.Conn;
  readonly #server: Server;
  #rest = new Uint8Array();

  constructor(conn: Deno.Conn, server: Server) {
    this.conn = conn;
    this.#server = server;
  }

  /** Reads a whole request; undefined where the other side has closed instead. `most` is for one read. */
  async request(most = 65_536): Promise<ReadRequest | undefined> {
    const buffer = new Uint8Array(most);
    const parts = [this.#rest];
    let text = new TextDecoder("latin1").decode(this.#rest);
    let length = Infinity;
    while (text.length < length) {
      const end = text.indexOf("\r\n\r\n") + 4;
      if (end >= 4) length = end + Number(/^content-length: (\d+)\r$/im.exec(text.slice(0, end))?.[1] ?? 0);
      if (text.length >= length) break;
      const count = await this.conn.read(buffer);
      if (count === null) return undefined;
      parts.push(buffer.slice(0, count));
      text += new TextDecoder("latin1").decode(buffer.subarray(0, count));
    }
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    const end = text.indexOf("\r\n\r\n") + 4;
    this.#rest = bytes.slice(length);
    const request = { head: text.slice(0, end), body: bytes.slice(end, length) };
    this.#server.requests.push(request);
    return request;
  }

  /** Writes all of it. */
  async write(text: string | Uint8Array): Promise<void> {
    let bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    while (bytes.length > 0) bytes = bytes.subarray(await this.conn.write(bytes));
  }

  /** Reads a request and answers it. */
  async answer(text: string | Uint8Array): Promise<void> {
    if (await this.request()) await this.write(text);
  }

  /** Answers each request until the other side closes. */
  async answerAll(text = OK): Promise<void> {
    while (await this.request()) await this.write(text);
  }

  /** Says nothing more, and waits for the other side to close. */
  async hang(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    while (await this.conn.read(buffer) !== null);
  }
}

export const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** `serve` gets each connection with its number, from 1. It is closed when `serve` ends. */
export type Serve = (peer: Peer, count: number) => Promise<void>;

/** Runs with a receiver, and ends it afterwards with all its connections. */
export async function withServer<T>(
  serve: Serve,
  body: (server: Server) => Promise<T>,
  listener: Deno.Listener = Deno.listen({ port: 0, hostname: "127.0.0.1" }),
): Promise<T> {
  const { port } = listener.addr as Deno.NetAddr;
  const server: Server = { port, url: `http://127.0.0.1:${port}`, accepted: 0, requests: [] };
  const serving: Promise<void>[] = [];
  const open = new Set<Deno.Conn>();
  const one = async (conn: Deno.Conn) => {
    open.add(conn);
    try {
      await serve(new Peer(conn, server), ++server.accepted);
    } catch (error) {
      // The other side may hang up whenever it wants to.
      if (error instanceof AssertionError) throw error;
    }
    open.delete(conn);
    close(conn);
  };
  const accepting = (async () => {
    for await (const conn of listener) serving.push(one(conn));
  })();
  try {
    return await body(server);
  } finally {
    listener.close();
    await accepting;
    for (const conn of open) close(conn);
    await Promise.all(serving);
  }
}

function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // It is closed.
  }
}
