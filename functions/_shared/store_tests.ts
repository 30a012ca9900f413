/**
 * The statements of the test tool, which are a part of the store.
 *
 * @module
 */

import type postgres from "postgres";
import type { ClaimedRow } from "./core.ts";

export interface TestTarget {
  /** One endpoint by its id, switched off or not; without it all active ones that are subscribed to the event. */
  endpointId?: string;
  eventType: string;
  /** JSON text. */
  payload: string;
}

/** PostgreSQL cannot store a payload: a NUL, half a surrogate pair, a number beyond its range, too deep nesting. */
export class PayloadError extends Error {
  override name = "PayloadError";
}

type Sql = postgres.Sql;
type Fragment = postgres.PendingQuery<postgres.Row[]>;

/** SQLSTATE untranslatable_character, invalid_text_representation, numeric_value_out_of_range, statement_too_complex. */
const UNSTORABLE = ["22P05", "22P02", "22003", "54001"];

/** `claimedColumns`: those of a ClaimedRow, but for `is_active`, of a delivery `c` and its endpoint `e`. */
export function testStatements(sql: Sql, claimedColumns: Fragment) {
  const chosen = ({ endpointId, eventType }: TestTarget) =>
    endpointId === undefined
      ? sql`e.is_active and ${eventType} = any (e.events)`
      : sql`e.id = ${endpointId}::uuid`;

  /** An endpoint that is switched off is tested as if it were on. */
  const withEndpoints = async (deliveries: Fragment): Promise<ClaimedRow[]> => {
    const rows = sql<ClaimedRow[]>`
      with c as (${deliveries})
      select ${claimedColumns}, true as is_active
      from c join public.webhook_configurations e on e.id = c.webhook_config_id
      order by e.created_at, e.id`;
    return await rows.catch((error) => {
      throw UNSTORABLE.includes(error.code) ? new PayloadError(error.message) : error;
    });
  };

  return {
    /** Makes deliveries that are claimed already, so that no dispatcher takes them. */
    insertClaimed: (target: TestTarget): Promise<ClaimedRow[]> =>
      withEndpoints(sql`
        insert into public.webhook_deliveries
          (webhook_config_id, event_type, payload, attempts, last_attempt_at)
        select e.id, ${target.eventType}, ${target.payload}::text::jsonb, 1, now()
        from public.webhook_configurations e where ${chosen(target)}
        returning *, payload::text as text`),

    /** The same rows, without making them. */
    draftClaimed: (target: TestTarget): Promise<ClaimedRow[]> =>
      withEndpoints(sql`
        select gen_random_uuid() as id, e.id as webhook_config_id, ${target.eventType}::text as event_type,
          ${target.payload}::text::jsonb::text as text, 1 as attempts, now() as created_at
        from public.webhook_configurations e where ${chosen(target)}`),

    /** The ids of all endpoints with this name, the oldest first. */
    endpointsNamed: async (name: string): Promise<string[]> => {
      const rows = await sql<{ id: string }[]>`
        select id from public.webhook_configurations where name = ${name} order by created_at, id`;
      return rows.map((row) => row.id);
    },
  };
}
