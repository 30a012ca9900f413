/**
 * Sending as an idealised dispatcher does it: `fetch`, one signature by node:crypto, the whole answer read as text.
 *
 * @module
 */

import { createHmac } from "node:crypto";
import type { Result, Row } from "./table.ts";

/** How many requests are under way at once. */
export const CONCURRENCY = 100;

/** Never rejects: what goes wrong is a result. */
export async function send({ id, body, url, secret }: Row): Promise<Result> {
  const signature = createHmac("sha256", secret).update(body).digest("hex");
  const headers = { "content-type": "application/json", "x-webhook-signature": `sha256=${signature}` };
  try {
    const answer = await fetch(url, { method: "POST", headers, body, redirect: "manual" });
    return { id, status: answer.status, text: await answer.text() };
  } catch (error) {
    return { id, status: null, text: (error as Error).message };
  }
}

/** How many of these a receiver took. */
export function taken(results: Result[]): number {
  return results.filter(({ status }) => status !== null && status >= 200 && status < 300).length;
}
