/**
 * Carries what the core begins: its requests' bytes out and their answers' bytes in, many a crossing. What the bytes say
 * is the core's business.
 *
 * @module
 */

import type { ClaimedRow, Dispatcher, Peer } from "./core.ts";
import type { Send } from "./send.ts";
import type { SendBytes } from "./transport/http.ts";

/**
 * Begins what may begin in `free` slots; returns how many batches that is. Each of them calls `onEnd` when the core knows
 * how it ended, with what went wrong where it could not be told. Throws where the core does.
 */
export type Carry = (free: number, onEnd: (error?: unknown) => void) => number;

export interface CarryOptions {
  dispatcher: Dispatcher;
  send: Send;
  /** Milliseconds since 1970. */
  now: () => number;
}

/** What the core tells of a batch: see `Dispatcher.begin`. */
const NUMBERS = 6;
const BY_STEPS = -1;

/** Carries bytes. What goes by steps goes through `send`. */
export function createCarry({ dispatcher, send, now, http }: CarryOptions & { http: SendBytes }): Carry {
  const peers = new Map<number, Peer>();
  const peerOf = (number: number): Peer => {
    let peer = peers.get(number);
    if (!peer) peers.set(number, peer = dispatcher.peer(number));
    return peer;
  };

  const bySteps = async (number: number, steps: number, timeoutMs: number) => {
    // Whose deliveries these are, the core knows.
    const batch = { endpointId: "", attempts: [], carrier: { steps }, timeoutMs };
    const { ends, durationMs } = await send(batch);
    dispatcher.end(number, ends, durationMs, now());
  };

  const byBytes = async (number: number, peer: Peer, request: Request) => {
    const start = performance.now();
    const { timeoutMs } = request;
    const failed = await http(peer, request, timeoutMs, (received, isOver) => {
      return dispatcher.received(number, received, isOver, performance.now() - start, now());
    });
    if (failed) dispatcher.end(number, [failed], performance.now() - start, now());
  };

  return (free, onEnd) => {
    const table = dispatcher.begin(free, now());
    const bytes = dispatcher.takeBytes();
    for (let at = 0; at < table.length; at += NUMBERS) {
      const [number, peer, from, length, mostAnswerBytes, timeoutMs] = table.subarray(at, at + NUMBERS);
      const carried = peer === BY_STEPS
        ? bySteps(number!, from!, timeoutMs!)
        : byBytes(number!, peerOf(peer!), {
          bytes: bytes.subarray(from!, from! + length!),
          mostAnswerBytes: mostAnswerBytes!,
          timeoutMs: timeoutMs!,
        });
      carried.then(() => onEnd(), onEnd);
    }
    return table.length / NUMBERS;
  };
}

interface Request {
  bytes: Uint8Array;
  mostAnswerBytes: number;
  timeoutMs: number;
}

/** Carries batches as objects: for a `send` that wants to see them. */
export function createBatchCarry({ dispatcher, send, now }: CarryOptions): Carry {
  return (free, onEnd) => {
    const { batches } = dispatcher.beginBatches(free, now());
    for (const { number, batch } of batches) {
      const carried = send(batch).then(({ ends, durationMs }) =>
        dispatcher.end(number, ends, durationMs, now())
      );
      carried.then(() => onEnd(), onEnd);
    }
    return batches.length;
  };
}

const encoder = new TextEncoder();

/** Claimed rows as `Dispatcher.takeIn` reads them. */
export function packed(rows: readonly ClaimedRow[]): Uint8Array {
  const fields: (string | number)[] = [];
  const optional = (value: string | null | undefined) => fields.push(value == null ? "" : `=${value}`);
  for (const row of rows) {
    fields.push(row.id, row.event_type);
    optional(row.payload);
    fields.push(row.attempt, row.created_at, row.endpoint_id);
    optional(row.url);
    optional(row.secret_key);
    fields.push(row.is_active ? "=t" : "=f");
    optional(row.before);
  }
  return encoder.encode(fields.join("\0"));
}
