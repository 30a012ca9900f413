/**
 * One connection to a receiver: bytes out, bytes in.
 *
 * @module
 */

/** What most answers need, and what headers, 16 KiB of them, and the chunk sizes of a body may take. */
const FIRST_BYTES = 2 * 1_024;
const MOST_FRAME_BYTES = 20 * 1_024;

export class Connection {
  /** Says where it goes: connections with the same key are interchangeable. */
  readonly key: string;
  /** The whole request was handed over. */
  isSent = false;
  /** Writing has failed before a single byte of the request was handed over. */
  isUntouched = false;
  /** By `performance.now()`. */
  idleSince = 0;
  /** Why the reading has ended, if not by a close of the other side. */
  broken: Error | undefined;
  readonly #conn: Deno.TcpConn | Deno.TlsConn;
  readonly #isTls: boolean;
  #buffer = new Uint8Array(FIRST_BYTES);
  #length = 0;
  #most = MOST_FRAME_BYTES;
  #reading: Promise<boolean> | undefined;
  /** Called when it ends while nobody uses it. */
  #onEnd: (() => void) | undefined;
  #isClosed = false;

  constructor(key: string, conn: Deno.TcpConn | Deno.TlsConn, isTls: boolean) {
    this.key = key;
    this.#conn = conn;
    this.#isTls = isTls;
  }

  /** What has come in since the request began. */
  get received(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** There is no room for more. */
  get isFull(): boolean {
    return this.#length >= this.#most;
  }

  /**
   * Resolves when all is handed over, or no more can be. The receiver may answer, and close, before. Of the answer's
   * body, `mostBodyBytes` are wanted.
   */
  async send(bytes: Uint8Array, mostBodyBytes: number): Promise<void> {
    this.#most = MOST_FRAME_BYTES + mostBodyBytes;
    this.isSent = false;
    let rest = bytes;
    try {
      while (rest.length > 0) rest = rest.subarray(await this.#conn.write(rest));
      this.isSent = true;
    } catch {
      // A connection that breaks ends the reading, too. What TLS had sent of this write is unknown.
      this.isUntouched = rest.length === bytes.length && !this.#isTls;
    }
  }

  /** Resolves to true when more has come in, to false when there will be no more. */
  receive(): Promise<boolean> {
    return this.#reading ??= this.#read();
  }

  /**
   * Waits for its next use. A read stays outstanding: a receiver that closes, or says something that nobody has asked
   * for, makes it useless, and `onEnd` is called.
   */
  rest(onEnd: () => void): void {
    this.#length = 0;
    this.#onEnd = onEnd;
    this.idleSince = performance.now();
    this.receive();
  }

  wake(): void {
    this.#onEnd = undefined;
  }

  /** Deno 2.1.4, and every level over TLS, keeps the socket until a write that is under way has ended. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      this.#conn.close();
    } catch {
      // The platform has closed it by itself.
    }
  }

  async #read(): Promise<boolean> {
    let count: number | null = null;
    try {
      if (this.#length === this.#buffer.length) this.#grow();
      count = await this.#conn.read(this.#buffer.subarray(this.#length));
      this.#length += count ?? 0;
    } catch (error) {
      // Some end a TLS connection without saying so.
      if (!(error instanceof Deno.errors.UnexpectedEof)) this.broken = error as Error;
    }
    this.#reading = undefined;
    if (this.#onEnd) {
      this.close();
      this.#onEnd();
    }
    return count !== null;
  }

  #grow(): void {
    const larger = new Uint8Array(Math.min(2 * this.#buffer.length, Math.max(this.#most, FIRST_BYTES)));
    larger.set(this.#buffer);
    this.#buffer = larger;
  }
}
