/**
 * Kafka over sockets of our own. The producer, a WASM module of its own, decides what is said to whom; here it is
 * loaded when the first batch comes, and its connections are opened, written to and read from.
 *
 * @module
 */

import type { KafkaRequest, Outcome } from "../core.ts";
import type { Action, Producer, RecordResult } from "../kafka_core.ts";
import type { AddressBook } from "./addresses.ts";
import { type ConnectOptions, openFirst, openSocket } from "./connect.ts";
import { Deadline } from "./deadline.ts";

/** Sends a batch; says how each record ended, in their order, or one end for all. Never rejects. */
export type SendKafka = (request: KafkaRequest, timeoutMs: number) => Promise<Outcome[]>;

export interface KafkaTransport {
  send: SendKafka;
  /** Closes all connections that no batch needs. */
  close: () => void;
}

export interface KafkaTransportOptions
  extends Partial<Pick<ConnectOptions, "connectTimeoutMs" | "openSocket">> {
  addresses: AddressBook;
  /** Milliseconds since 1970. */
  now?: () => number;
}

export function createKafkaTransport(options: KafkaTransportOptions): KafkaTransport {
  const clusters = new Map<string, Promise<Cluster>>();

  const clusterOf = async (request: KafkaRequest): Promise<Cluster> => {
    const { Producer } = await import("../kafka_core.ts");
    return new Cluster(request, Producer, { connectTimeoutMs: 5_000, openSocket, now: Date.now, ...options });
  };

  return {
    send: async (request, timeoutMs) => {
      const known = clusters.get(request.cluster) ?? clusterOf(request);
      clusters.set(request.cluster, known);
      try {
        return await (await known).send(request, timeoutMs);
      } catch (error) {
        // A producer that could not be made is made anew the next time.
        clusters.delete(request.cluster);
        return [{ notReady: { reason: `Kafka: ${(error as Error).message}` } }];
      }
    },
    close: () => {
      for (const cluster of clusters.values()) cluster.then((one) => one.close(), () => {});
    },
  };
}

/** How long a broker has for each answer, in milliseconds; a batch's own time-out ends before. */
const REQUEST_TIMEOUT_MS = 30_000;
const CLIENT_ID = "supabase-webhooks";

type ClusterOptions = Required<KafkaTransportOptions>;

/** The connections to one cluster with the same credentials. */
class Cluster {
  readonly #producer: Producer;
  readonly #tls: boolean;
  readonly #options: ClusterOptions;
  readonly #connectOptions: ConnectOptions;
  readonly #sockets = new Map<number, Socket>();
  readonly #waiting = new Map<number, (results: RecordResult[]) => void>();
  #batches = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(request: KafkaRequest, constructor: typeof Producer, options: ClusterOptions) {
    const { brokers, sasl, compression, tls, ca } = request;
    const { connectTimeoutMs, openSocket } = options;
    this.#tls = tls;
    this.#options = options;
    this.#connectOptions = { connectTimeoutMs, openSocket, caCerts: ca ? [ca] : [], alpnProtocols: [] };
    this.#producer = new constructor({
      brokers,
      sasl,
      compression,
      clientId: CLIENT_ID,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      connectTimeoutMs,
    });
  }

  async send({ topic, records }: KafkaRequest, timeoutMs: number): Promise<Outcome[]> {
    const batch = ++this.#batches;
    const settled = new Promise<RecordResult[]>((resolve) => this.#waiting.set(batch, resolve));
    try {
      this.#producer.produce(batch, topic, records, timeoutMs, this.#options.now());
    } catch (error) {
      this.#waiting.delete(batch);
      throw error;
    }
    this.#pump();
    return (await settled).map(outcomeOf);
  }

  close(): void {
    this.#producer.close();
    this.#pump();
  }

  /** Does what the producer wants, and asks again when it wants to be asked. */
  #pump(): void {
    clearTimeout(this.#timer);
    const { actions, wakeInMs } = this.#producer.poll(this.#options.now());
    for (const action of actions) this.#do(action);
    this.#timer = wakeInMs === null ? undefined : setTimeout(() => this.#pump(), wakeInMs);
  }

  #do(action: Action): void {
    if ("connect" in action) {
      const { connection, host, port } = action.connect;
      this.#connect(connection, host, port);
    } else if ("write" in action) {
      this.#sockets.get(action.write.connection)?.write(action.write.bytes);
    } else if ("close" in action) {
      this.#sockets.get(action.close.connection)?.close();
      this.#sockets.delete(action.close.connection);
    } else {
      const { id, results } = action.settled;
      this.#waiting.get(id)?.(results);
      this.#waiting.delete(id);
    }
  }

  /** Each broker that the cluster names is judged as the endpoint's own hosts are. */
  async #connect(connection: number, host: string, port: number): Promise<void> {
    const { addresses, connectTimeoutMs, now } = this.#options;
    const socket = new Socket();
    this.#sockets.set(connection, socket);
    const deadline = new Deadline(connectTimeoutMs, `no connection within ${connectTimeoutMs} ms`);
    const name = host.includes(":") ? `[${host}]` : host;
    let reason = "closed by the broker";
    try {
      const judged = await deadline.within(Promise.resolve(addresses(name)));
      const peer = { host: name, port, tls: this.#tls };
      const { conn } = await openFirst(peer, judged, deadline, this.#connectOptions);
      deadline.clear();
      if (!socket.open(conn)) return;
      this.#producer.connected(connection, nonce(), now());
      this.#pump();
      for await (const bytes of socket.read()) {
        this.#producer.received(connection, bytes, now());
        this.#pump();
      }
    } catch (error) {
      reason = (error as Error).message;
    }
    deadline.clear();
    if (socket.isClosed) return;
    socket.close();
    this.#sockets.delete(connection);
    this.#producer.disconnected(connection, reason, now());
    this.#pump();
  }
}

/** A connection from the moment that it is wanted. */
class Socket {
  isClosed = false;
  #conn: Deno.Conn | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** Says whether it is still wanted. */
  open(conn: Deno.Conn): boolean {
    this.#conn = conn;
    if (this.isClosed) closeConn(conn);
    return !this.isClosed;
  }

  /** Writes in order. A connection that breaks ends the reading, too. */
  write(bytes: Uint8Array): void {
    this.#writing = this.#writing.then(async () => {
      let rest = bytes;
      while (rest.length > 0 && this.#conn) rest = rest.subarray(await this.#conn.write(rest));
    }).catch(() => {});
  }

  async *read(): AsyncGenerator<Uint8Array> {
    const buffer = new Uint8Array(16 * 1_024);
    while (this.#conn && !this.isClosed) {
      const count = await this.#conn.read(buffer);
      if (count === null) return;
      yield buffer.subarray(0, count);
    }
  }

  close(): void {
    this.isClosed = true;
    if (this.#conn) closeConn(this.#conn);
  }
}

function closeConn(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // It is closed.
  }
}

/** What SCRAM wants from each client: random text. */
function nonce(): string {
  return crypto.randomUUID() + crypto.randomUUID();
}

function outcomeOf(result: RecordResult): Outcome {
  if ("accepted" in result) return { accepted: { note: JSON.stringify(result.accepted) } };
  if ("timedOut" in result) return { timedOut: result.timedOut };
  const { kind, reason } = result.rejected;
  return { rejected: { fault: kind, reason } };
}
