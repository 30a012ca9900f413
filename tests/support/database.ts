/**
 * A database of its own for each test, on the server that TEST_DATABASE_URL names.
 *
 * @module
 */

import postgres from "postgres";
import { type ClaimedRow, readSettings } from "../../functions/_shared/core.ts";
import { createStore, type Store } from "../../functions/_shared/store.ts";

export interface TestDatabase {
  url: string;
  sql: postgres.Sql;
  /** A store with the test's lease and the default settings. */
  store: Store;
}

export const LEASE_MS = 60_000;

/** Registers a test that gets a new database with all tables, empty. */
export function databaseTest(name: string, body: (database: TestDatabase) => Promise<void>): void {
  Deno.test(name, async () => {
    const server = Deno.env.get("TEST_DATABASE_URL");
    if (!server) throw new Error("TEST_DATABASE_URL is not set: run npm test -- db");
    const database = `test_${crypto.randomUUID().replaceAll("-", "")}`;
    await administer(server, `create database ${database} template postgres`);
    const url = new URL(server);
    url.pathname = `/${database}`;
    const sql = postgres(url.href, { max: 4, onnotice: () => {}, fetch_types: false, prepare: false });
    try {
      await body({
        url: url.href,
        sql,
        store: createStore(sql, { ...readSettings(() => undefined), leaseMs: LEASE_MS }),
      });
    } finally {
      await sql.end();
      await administer(server, `drop database ${database} with (force)`);
    }
  });
}

/** Connects to another database than the template: a template that is in use cannot be copied. */
async function administer(server: string, statement: string): Promise<void> {
  const url = new URL(server);
  url.pathname = "/template1";
  const sql = postgres(url.href, { max: 1, onnotice: () => {}, fetch_types: false });
  try {
    await sql.unsafe(statement);
  } finally {
    await sql.end();
  }
}

export interface EndpointColumns {
  name?: string;
  url: string;
  events?: string[];
  secret_key?: string | null;
  is_active?: boolean;
}

/** Makes an endpoint and returns its id. */
export async function insertEndpoint(sql: postgres.Sql, columns: EndpointColumns): Promise<string> {
  const { name = "endpoint", url, events = ["order.paid"], secret_key = null, is_active = true } = columns;
  const [row] = await sql<{ id: string }[]>`
    with creator as (insert into auth.users default values returning id)
    insert into public.webhook_configurations (name, url, events, secret_key, is_active, created_by)
    select ${name}, ${url}, ${`{${
    events.join(",")
  }}`}::text::text[], ${secret_key}, ${is_active}, id from creator
    returning id`;
  return row!.id;
}

/** Makes deliveries of `order.paid`, each of its own event, and returns their ids in the order of creation. */
export async function insertDeliveries(sql: postgres.ISql, endpointId: string, count = 1): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    insert into public.webhook_deliveries (webhook_config_id, event_type, payload, created_at)
    select ${endpointId}, 'order.paid',
      jsonb_build_object('event', 'order.paid', 'data', jsonb_build_object('n', n), 'request_id', gen_random_uuid()),
      now() - interval '1 second' + n * interval '1 microsecond'
    from generate_series(1, ${count}::integer) n
    returning id`;
  return rows.map((row) => row.id);
}

export interface DeliveryRow {
  id: string;
  event_type: string;
  status: string;
  attempts: number;
  last_attempt_at: Date | null;
  response_status: number | null;
  response_body: string | null;
  error_message: string | null;
}

export async function deliveries(sql: postgres.Sql): Promise<DeliveryRow[]> {
  return await sql<DeliveryRow[]>`
    select id, event_type, status, attempts, last_attempt_at, response_status, response_body, error_message
    from public.webhook_deliveries order by created_at, id`;
}

/** Lets time pass for what is pending: leases and delays run from `last_attempt_at`. */
export async function age(sql: postgres.Sql, interval: string): Promise<void> {
  await sql`
    update public.webhook_deliveries set last_attempt_at = last_attempt_at - ${interval}::text::interval
    where status = 'pending'`;
}

/** Claims up to `limit` rows, whatever endpoint they are for. */
export async function claim({ store }: Pick<TestDatabase, "store">, limit: number): Promise<ClaimedRow[]> {
  const endpoints = await store.endpoints();
  return await store.claim(
    limit,
    endpoints.map(({ id }) => ({ id, most: limit, batch: 1, under_way: 0, quiet_ms: null })),
  );
}
