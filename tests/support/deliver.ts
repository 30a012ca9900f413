/**
 * Deliveries from claimed rows to row updates, through the functions' own code, without a database.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Webhook } from "standardwebhooks";
import {
  AddressPolicy,
  type ClaimedRow,
  Dispatcher,
  type HttpRequest,
  type RowUpdate,
} from "../../functions/_shared/core.ts";
import { createSend } from "../../functions/_shared/send.ts";
import { createAddressBook, type Resolve } from "../../functions/_shared/transport/addresses.ts";
import { createHttpTransport, type SendHttp } from "../../functions/_shared/transport/http.ts";
import { createKafkaTransport } from "../../functions/_shared/transport/kafka.ts";
import { claimed } from "./http.ts";
import { testSettings } from "./settings.ts";

export interface Deliverer {
  /** One update for each row, in the rows' order. */
  deliver: (rows: ClaimedRow[]) => Promise<RowUpdate[]>;
  /** The requests that went out over HTTP. */
  requests: HttpRequest[];
}

export interface DelivererOptions {
  /** Credentials. */
  variables?: Record<string, string>;
  /** Milliseconds since 1970. */
  now?: () => number;
  /** Changes what goes out over HTTP. */
  tamper?: (request: HttpRequest) => HttpRequest;
  /** Where names lead. */
  resolve?: Resolve;
  /** Authorities that are trusted beside the system's, in PEM. */
  caCerts?: string[];
}

/** Runs with a deliverer and closes its connections afterwards. */
export async function withDeliverer(
  { variables = {}, now = Date.now, tamper = (request) => request, resolve, caCerts = [] }: DelivererOptions,
  body: (deliverer: Deliverer) => Promise<void>,
): Promise<void> {
  // The core judges what it is given: what a claim would not give, is given here.
  const settings = testSettings({ maxPayloadBytes: 100_000_000 });
  const policy = new AddressPolicy(settings.allowedAddresses);
  const addresses = createAddressBook({ policy, ...(resolve && { resolve }) });
  const http = createHttpTransport({ addresses, caCerts });
  const kafka = createKafkaTransport({ addresses });
  const requests: HttpRequest[] = [];
  const sendHttp: SendHttp = (request, ...rest) => {
    requests.push(request);
    return http.send(tamper(request), ...rest);
  };
  const dispatcher = new Dispatcher(settings, (name) => variables[name]);
  const send = createSend({ dispatcher, http: sendHttp, kafka: kafka.send, now });
  const deliver = async (rows: ClaimedRow[]) => {
    const { batches, refused } = dispatcher.plan(rows, now());
    const sent = await Promise.all(batches.map(async (batch) => {
      const { endpointId, attempts } = batch;
      const { ends, durationMs } = await send(batch);
      return { endpointId, attempts, ends, durationMs };
    }));
    const updates = [...refused, ...dispatcher.settle(sent, now()).updates];
    assert.equal(updates.length, rows.length);
    return rows.map(({ id }) => updates.find((update) => update.id === id)!);
  };
  try {
    await body({ deliver, requests });
  } finally {
    http.close();
    kafka.close();
  }
}

export const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/** So many deliveries to an endpoint, each with text that is easily damaged. */
export function deliveriesTo(url: string, count: number, columns: Partial<ClaimedRow> = {}): ClaimedRow[] {
  return Array.from({ length: count }, (_, n) =>
    claimed(url, {
      id: crypto.randomUUID(),
      secret_key: SECRET,
      payload:
        `{"data": {"n": ${n}, "big": 12345678901234567890, "money": 1.10, "name": "Zoë 🎲 \\u0001\\\\"}, ` +
        `"event": "order.paid", "actor_user_id": "user-${n % 3}", "request_id": "${crypto.randomUUID()}"}`,
      ...columns,
    }));
}

/** What standardwebhooks says of a message and what stands beside it; names of any case. */
export function verified(body: string, attributes: Record<string, string>): Record<string, unknown> {
  const headers = Object.fromEntries(
    Object.entries(attributes).map(([name, text]) => [name.toLowerCase(), text]),
  );
  return new Webhook(SECRET).verify(body, headers) as Record<string, unknown>;
}

/** All were delivered; shows what was not. */
export function assertDelivered(updates: RowUpdate[]): void {
  assert.deepEqual(updates.filter(({ status }) => status !== "delivered"), []);
}

/** What a row says of its failure, without when it is tried again. */
export function reasonOf(update: RowUpdate | undefined): string {
  assert.equal(update?.status, "pending", JSON.stringify(update));
  return (update.error_message ?? "").replace(/; trace [0-9a-f]{32}; attempt \d+ of \d+, next in .*$/, "");
}
