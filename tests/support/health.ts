/**
 * Asking webhook-health, and rows for it to tell of.
 *
 * @module
 */

import type postgres from "postgres";
import { createHandler } from "../../functions/webhook-health/handler.ts";
import type { TestDatabase } from "./database.ts";
import { testRuntime } from "./runtime.ts";

/** An answer of an isolate that has just begun. */
export async function health(
  database: TestDatabase,
  headers: Record<string, string> = {},
  { method = "GET", query = "" } = {},
): Promise<Response> {
  const request = new Request(`http://localhost/webhook-health${query}`, { method, headers });
  return await createHandler(testRuntime(database))(request);
}

export interface Columns {
  status: string;
  count?: number;
  /** How long ago they were made. */
  ago?: string;
  /** From then to the last attempt. */
  took?: string;
  attempts?: number;
  error?: string | null;
  responseStatus?: number | null;
  eventType?: string;
  payload?: string;
}

/** Makes deliveries that are all alike. */
export async function insert(sql: postgres.Sql, endpoint: string, columns: Columns): Promise<void> {
  const { status, count = 1, ago = "1 minute", took = "0 s", attempts = 1, error = null } = columns;
  const { responseStatus = null, eventType = "order.paid", payload = "{}" } = columns;
  await sql`
    insert into public.webhook_deliveries (webhook_config_id, event_type, payload, status, attempts, error_message,
      response_status, created_at, last_attempt_at)
    select ${endpoint}, ${eventType}, ${payload}::text::jsonb, ${status}, ${attempts}, ${error}, ${responseStatus}::integer,
      now() - ${ago}::text::interval,
      case when ${attempts}::integer > 0 then now() - ${ago}::text::interval + ${took}::text::interval end
    from generate_series(1, ${count}::integer)`;
}
