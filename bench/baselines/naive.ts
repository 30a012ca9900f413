/**
 * The dispatcher that users have today: it selects what is pending and goes through it, one delivery after the other.
 *
 * @module
 */

import postgres from "postgres";
import { serve, variable } from "./serve.ts";
import type { Row } from "./table.ts";

/** Rows a SELECT. */
const SELECTED = 1_000;

const sql = postgres(variable("SUPABASE_DB_URL"), { max: 1, fetch_types: false, onnotice: () => {} });
const keys = new Map<string, Promise<CryptoKey>>();

serve(async (_call, isOver) => {
  let delivered = 0;
  while (!isOver()) {
    const rows = await sql<Row[]>`
      select d.id, d.payload::text as body, c.url, c.secret_key as secret
      from public.webhook_deliveries d join public.webhook_configurations c on c.id = d.webhook_config_id
      where d.status = 'pending' order by d.created_at limit ${SELECTED}`;
    if (rows.length === 0) break;
    for (const row of rows) {
      if (isOver()) break;
      if (await deliver(row)) delivered++;
    }
  }
  return delivered;
});

async function deliver({ id, body, url, secret }: Row): Promise<boolean> {
  const signature = await sign(secret, body);
  const headers = { "content-type": "application/json", "x-webhook-signature": `sha256=${signature}` };
  const answer = await fetch(url, { method: "POST", headers, body });
  const text = await answer.text();
  await sql`
    update public.webhook_deliveries
    set status = ${answer.ok ? "delivered" : "failed"}, attempts = attempts + 1, last_attempt_at = now(),
      response_status = ${answer.status}, response_body = ${text.slice(0, 1_000)}
    where id = ${id}`;
  return answer.ok;
}

async function sign(secret: string, body: string): Promise<string> {
  const encoder = new TextEncoder();
  const key = keys.get(secret) ??
    crypto.subtle.importKey("raw", encoder.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, [
      "sign",
    ]);
  keys.set(secret, key);
  const signature = new Uint8Array(await crypto.subtle.sign("HMAC", await key, encoder.encode(body)));
  return Array.from(signature, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
