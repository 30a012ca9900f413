/** The table that is delivered from: PostgreSQL of the bench's own, with fsync on. */

import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { startPostgres } from "../stack/postgres.mjs";

/** Rows an INSERT, so that a statement's memory stays small. */
const INSERTED = 5_000;
/** What an envelope has beside its filler, about, in bytes. */
const FRAME_BYTES = 190;

/**
 * @param {import("../stack/cleanup.mjs").Cleanup} cleanup
 * @param {{ onSpawn: (pid: number, folder?: string) => Promise<void> }} options
 */
export async function startDatabase(cleanup, { onSpawn }) {
  let pid;
  const url = await startPostgres(cleanup, {
    onSpawn: (spawned, folder) => {
      pid = spawned;
      return onSpawn(spawned, folder);
    },
  });
  const sql = postgres(url, { max: 1, onnotice: () => {}, fetch_types: false });
  await cleanup.add(() => sql.end({ timeout: 1 }));

  return {
    url,
    pid,
    sql,

    /**
     * New endpoints instead of those before, each with a secret.
     *
     * @param {string[]} urls
     * @returns {Promise<string[]>} their ids, in order
     */
    replaceEndpoints: async (urls) => {
      await sql`truncate public.webhook_deliveries, public.webhook_configurations`;
      const rows = urls.map((url, at) => ({ name: `endpoint ${at}`, url, secret: newSecret() }));
      const inserted = await sql`
        with creator as (insert into auth.users default values returning id)
        insert into public.webhook_configurations (name, url, events, secret_key, created_by)
        select r.name, r.url, '{bench}', r.secret, creator.id
        from jsonb_to_recordset(${
        JSON.stringify(rows)
      }::text::jsonb) r(name text, url text, secret text), creator
        returning id, name`;
      return rows.map(({ name }) => inserted.find((one) => one.name === name).id);
    },

    /**
     * Due deliveries instead of those before, in turn for each endpoint; where there is a slow one, every hundredth is its.
     *
     * @param {{ rows: number, bytes: number, endpoints: string[], slow?: string }} what `bytes`: an envelope's, about
     */
    fill: async ({ rows, bytes, endpoints, slow = null }) => {
      await sql`truncate public.webhook_deliveries`;
      // Text that does not compress, so that the table has what it says.
      const filler = randomBytes(Math.ceil(0.75 * Math.max(0, bytes - FRAME_BYTES))).toString("base64");
      for (let from = 0; from < rows; from += INSERTED) {
        await sql`
          insert into public.webhook_deliveries (webhook_config_id, event_type, payload, created_at)
          select case when ${slow}::uuid is not null and n % 100 = 50 then ${slow}::uuid
              else (${`{${endpoints.join(",")}}`}::text::uuid[])[n % ${endpoints.length} + 1] end,
            'bench', jsonb_build_object('event', 'bench', 'timestamp', now(), 'actor_user_id', null,
              'data', jsonb_build_object('n', n, 'filler', ${filler}::text), 'request_id', gen_random_uuid()),
            now() - interval '1 second' + n * interval '1 microsecond'
          from generate_series(${from}::integer, ${Math.min(from + INSERTED, rows) - 1}::integer) n`;
      }
      await settle(sql);
    },

    /** How many deliveries the table says were delivered. */
    delivered: async () => {
      const [{ count }] = await sql`
        select count(*)::integer as count from public.webhook_deliveries where status = 'delivered'`;
      return count;
    },
  };
}

/** No vacuum, no statistics and no checkpoint are owed when the measurement begins. */
export async function settle(sql) {
  await sql`vacuum analyze public.webhook_deliveries`;
  await sql`checkpoint`;
}

function newSecret() {
  return `whsec_${randomBytes(24).toString("base64")}`;
}
