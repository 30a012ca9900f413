/**
 * Somebody's receiver: it believes nothing that it has not verified, with libraries that are not ours.
 */

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { listen } from "./functions.mjs";

/**
 * @param {{ port: number, secret: string }} options `secret` begins with whsec_
 * @returns {Promise<{ url: string, receipts: Receipt[], stop: () => Promise<void> }>}
 *
 * @typedef {{ id: string, event: string, receivedAt: number, error: string | null }} Receipt
 */
export async function startReceiver({ port, secret }) {
  const { Webhook } = await import("standardwebhooks");
  const webhook = new Webhook(secret);
  /** @type {Receipt[]} */
  const receipts = [];
  const server = createServer(async (request, answer) => {
    const body = await read(request);
    // Somebody hung up in the middle: there is nobody to answer.
    if (body === null) return;
    const receivedAt = Date.now();
    let error = null;
    let event = "";
    try {
      event = webhook.verify(body.toString("utf8"), request.headers).event;
      if (!hasBodySignature(request.headers["x-webhook-signature"], secret, body)) {
        error = "X-Webhook-Signature does not match";
      }
    } catch (failure) {
      error = failure.message;
    }
    receipts.push({ id: String(request.headers["webhook-id"]), event, receivedAt, error });
    answer.writeHead(error ? 401 : 200, { "content-type": "application/json" });
    answer.end(JSON.stringify(error ? { error } : { received: true }));
  });
  const { port: listening, stop } = await listen(server, port, "the receiver");
  return { url: `http://127.0.0.1:${listening}/webhook`, receipts, stop };
}

async function read(request) {
  const chunks = [];
  try {
    for await (const chunk of request) chunks.push(chunk);
    return Buffer.concat(chunks);
  } catch {
    return null;
  }
}

function hasBodySignature(header, secret, body) {
  const expected = Buffer.from(`sha256=${createHmac("sha256", secret).update(body).digest("hex")}`);
  const presented = Buffer.from(String(header));
  return presented.length === expected.length && timingSafeEqual(presented, expected);
}
