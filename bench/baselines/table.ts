/**
 * The table as an idealised dispatcher uses it: hundreds of rows a statement, prepared statements, a lease of a minute.
 *
 * @module
 */

import postgres from "postgres";

export interface Row {
  id: string;
  /** The envelope, as text. */
  body: string;
  url: string;
  secret: string;
}

export interface Result {
  id: string;
  /** Null where there was no answer. */
  status: number | null;
  /** The answer's body, or what went wrong. */
  text: string;
}

export interface Table {
  /** Takes up to 500 due rows; none where nothing is due. */
  claim: () => Promise<Row[]>;
  /** Writes results in one statement. */
  record: (results: Result[]) => Promise<void>;
}

/** Rows a claim. */
export const CLAIMED = 500;

export function openTable(databaseUrl: string): Table {
  const sql = postgres(databaseUrl, { max: 2, fetch_types: false, onnotice: () => {} });
  return {
    claim: async () =>
      await sql<Row[]>`
        with due as (
          select id from public.webhook_deliveries
          where status = 'pending'
            and (last_attempt_at is null or last_attempt_at < now() - interval '1 minute')
          order by created_at limit ${CLAIMED} for update skip locked
        )
        update public.webhook_deliveries d set attempts = attempts + 1, last_attempt_at = now()
        from due, public.webhook_configurations c
        where d.id = due.id and c.id = d.webhook_config_id
        returning d.id, d.payload::text as body, c.url, c.secret_key as secret`,
    record: async (results) => {
      await sql`
        update public.webhook_deliveries d
        set status = case when u.status between 200 and 299 then 'delivered' else 'failed' end,
          response_status = u.status, response_body = left(u.text, 1000)
        from jsonb_to_recordset(${JSON.stringify(results)}::text::jsonb) u(id uuid, status integer, text text)
        where d.id = u.id`;
    },
  };
}
