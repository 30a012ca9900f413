/**
 * The database of a chaos run: a cluster of its own that can be restarted, deliveries that come in while everything
 * breaks, and a journal of what happened to each row.
 */

import postgres from "postgres";
import { isFree } from "../functions.mjs";
import { startCluster } from "../postgres.mjs";

/**
 * A trigger notes every change of a row in the change's own transaction: who claimed it and who wrote what became of
 * it. A dispatcher is known by the application_name in its database URL.
 */
const JOURNAL = `
  create schema chaos;
  create table chaos.journal (
    seq bigserial primary key, at timestamptz not null, dispatcher text not null,
    id uuid not null, attempts_before integer not null, attempts integer not null, status text not null,
    error_message text);
  create function chaos.note() returns trigger language plpgsql as $$
  begin
    insert into chaos.journal (at, dispatcher, id, attempts_before, attempts, status, error_message) values
      (clock_timestamp(), current_setting('application_name'), new.id, old.attempts, new.attempts, new.status,
       new.error_message);
    return null;
  end $$;
  create trigger note after update on public.webhook_deliveries for each row execute function chaos.note();`;

/**
 * @param {import("../cleanup.mjs").Cleanup} cleanup
 * @param {{ random: () => number, onSpawn: (pid: number, dataDir?: string) => Promise<void> }} options
 */
export async function startDatabase(cleanup, { random, onSpawn }) {
  const cluster = await startCluster(cleanup, { port: await lastingPort(random), onSpawn });
  const open = () => postgres(cluster.url, { max: 1, onnotice: () => {}, fetch_types: false });
  let sql = open();
  await cleanup.add(() => sql.end({ timeout: 0 }));
  await sql.unsafe(JOURNAL);
  // The run's own statements and the restarts take turns: only dispatchers lose their connections.
  let turn = Promise.resolve();
  const inTurn = (task) => {
    const mine = turn.then(task);
    turn = mine.catch(() => {});
    return mine;
  };
  /** @type {{ how: string, from: number, to: number }[]} */
  const outages = [];

  return {
    outages,
    urlFor: (dispatcher) => `${cluster.url}?application_name=${dispatcher}`,

    /** Stops it, waits and starts it again. */
    restart: (signal, downMs) =>
      inTurn(async () => {
        await sql.end({ timeout: 5 });
        const outage = { how: signal === "SIGQUIT" ? "crash" : "shutdown", from: Date.now(), to: Infinity };
        outages.push(outage);
        await cluster.stop(signal);
        await new Promise((resolve) => setTimeout(resolve, downMs));
        await cluster.start();
        outage.to = Date.now();
        sql = open();
      }),

    /** One endpoint a receiver; returns their ids. */
    insertEndpoints: (receivers) =>
      inTurn(async () => {
        const columns = receivers.map(({ url, secret, index }) => ({
          name: `receiver ${index}`,
          url,
          secret,
        }));
        const rows = await sql`
          with creator as (insert into auth.users default values returning id)
          insert into public.webhook_configurations (name, url, events, secret_key, created_by)
          select r.name, r.url, '{order.paid}', r.secret, creator.id
          from jsonb_to_recordset(${
          JSON.stringify(columns)
        }::text::jsonb) r(name text, url text, secret text),
            creator
          returning id, name`;
        return receivers.map(({ index }) => rows.find(({ name }) => name === `receiver ${index}`).id);
      }),

    /** @param {{ id: string, endpointId: string, n: number }[]} deliveries */
    insertDeliveries: (deliveries) =>
      inTurn(async () => {
        await sql`
          insert into public.webhook_deliveries (id, webhook_config_id, event_type, payload)
          select d.id, d.endpoint_id, 'order.paid', jsonb_build_object(
            'event', 'order.paid', 'data', jsonb_build_object('n', d.n), 'request_id', gen_random_uuid())
          from jsonb_to_recordset(${JSON.stringify(deliveries)}::text::jsonb)
            d(id uuid, endpoint_id uuid, n integer)`;
      }),

    /** Which dispatcher has a delivery. */
    claimantOf: (id) =>
      inTurn(async () => {
        const [change] = await sql`
          select dispatcher from chaos.journal where id = ${id} order by seq desc limit 1`;
        return change?.dispatcher;
      }),

    /** The table as it is, and how it came to be so. */
    result: () =>
      inTurn(async () => {
        const rows = await sql`select id, status, attempts, error_message from public.webhook_deliveries`;
        const journal = await sql`
          select extract(epoch from at)::float8 * 1000 as at, dispatcher, id, attempts_before, attempts, status,
            error_message
          from chaos.journal order by seq`;
        return { rows, journal };
      }),
  };
}

/**
 * A port that is still free after a restart: from below the range that systems take for outgoing connections, of which
 * there are many meanwhile.
 */
async function lastingPort(random) {
  while (true) {
    const port = 20_000 + Math.floor(random() * 10_000);
    if (await isFree(port)) return port;
  }
}
