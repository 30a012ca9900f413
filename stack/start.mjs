/**
 * `npm start`: the whole system on this machine. See `--help`.
 */

import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { Cleanup } from "./cleanup.mjs";
import { describe, endLeftovers, forget, isAlive, note, readJson, writeJson } from "./leftovers.mjs";
import { ROOT } from "./processes.mjs";
import { denoPath } from "./programs.mjs";
import { Failure, run, say } from "./say.mjs";
import { setUp } from "./setup.mjs";

const HELP = `npm start [-- OPTIONS]

Sets everything up, starts PostgreSQL, the four functions and a receiver that verifies signatures; causes the nine
events, delivers them, shows what arrived, and stays up until Ctrl-C.

  --migrated           with the optional migrations: changes alone cause the events, and commits wake the dispatcher
  --once               end after the table; exit 0 only if every event was delivered
  --json               the last line of stdout is one JSON object
  --api-port N         where the functions answer (54321)
  --db-port N          where PostgreSQL answers (54322)
  --receiver-port N    where the receiver answers (54330)`;

const LOCAL = join(ROOT, ".local");

await run(async () => {
  const options = readOptions();
  if (options.help) return console.log(HELP);
  const cleanup = new Cleanup();
  let isEnding = false;
  const started = start(options, cleanup);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, async () => {
      if (isEnding) return;
      isEnding = true;
      say("stopping");
      // A query that is under way fails when its server goes, and nobody waits for it any more.
      process.on("unhandledRejection", () => {});
      await cleanup.run();
      // What was just being started sees that it is over, and cleans up after itself; a client whose server has gone
      // may wait for ever.
      await Promise.race([started.catch(() => {}), new Promise((resolve) => setTimeout(resolve, 3_000))]);
      process.exit(options.once ? 1 : 0);
    });
  }
  try {
    const result = await started;
    if (options.json) console.log(JSON.stringify(result));
    if (!options.once) return say(`Up: ${result.api_url}/functions/v1/… Ctrl-C ends it.`);
    await cleanup.run();
    process.exitCode = result.delivered === result.events ? 0 : 1;
  } catch (error) {
    await cleanup.run();
    if (!isEnding) throw error;
  }
});

function readOptions() {
  // npm keeps options for itself that come without the dashes.
  for (const name of ["once", "migrated"]) {
    if (process.env[`npm_config_${name}`]) {
      throw new Failure(`write it with two dashes between: npm start -- --${name}`);
    }
  }
  try {
    const { values } = parseArgs({
      options: {
        migrated: { type: "boolean", default: false },
        once: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
        "api-port": { type: "string", default: "54321" },
        "db-port": { type: "string", default: "54322" },
        "receiver-port": { type: "string", default: "54330" },
      },
    });
    const port = (name) => {
      const number = Number(values[name]);
      if (Number.isInteger(number) && number > 0 && number < 65_536) return number;
      throw new Failure(`--${name}: expected a port from 1 to 65535, got ${values[name]}`);
    };
    return {
      ...values,
      apiPort: port("api-port"),
      dbPort: port("db-port"),
      receiverPort: port("receiver-port"),
    };
  } catch (error) {
    throw error instanceof Failure ? error : new Failure(`${error.message}\n\n${HELP}`);
  }
}

async function start(options, cleanup) {
  await setUp();
  // Several stacks may be up, each on ports of its own.
  const logs = join(LOCAL, "logs", String(options.apiPort));
  await mkdir(logs, { recursive: true });
  await endLeftovers();

  // What needs packages is imported once they are there.
  const [
    { default: postgres },
    { startPostgres },
    functions,
    { startReceiver },
    events,
    { deliveryTable },
    migrated,
  ] = await Promise.all([
    import("postgres"),
    import("./postgres.mjs"),
    import("./functions.mjs"),
    import("./receiver.mjs"),
    import("./events.mjs"),
    import("./table.mjs"),
    import("./migrated.mjs"),
  ]);
  const { FUNCTIONS, createKeys, functionEnv, isFree, portInUse, startFunction, startGateway } = functions;
  if (!(await isFree(options.dbPort))) throw portInUse(options.dbPort, "PostgreSQL");
  const secret = `whsec_${randomBytes(24).toString("base64")}`;
  const receiver = await startReceiver({ port: options.receiverPort, secret });
  await cleanup.add(receiver.stop);
  const ports = new Map();
  const gateway = await startGateway(options.apiPort, ports);
  await cleanup.add(gateway.stop);

  say("starting PostgreSQL");
  await cleanup.add(forget);
  const databaseUrl = await startPostgres(cleanup, { port: options.dbPort, onSpawn: note });
  const keys = createKeys();

  say("starting the functions");
  const deno = await denoPath();
  const env = functionEnv({ databaseUrl, keys });
  await Promise.all(FUNCTIONS.map(async (name) => {
    const log = createWriteStream(join(logs, `${name}.log`));
    const onLine = (line) => log.write(`${line}\n`);
    ports.set(name, await startFunction(cleanup, name, { deno, env, onLine, onSpawn: note }));
  }));

  const apiUrl = `http://127.0.0.1:${gateway.port}`;
  const published = await publish(
    {
      api_url: apiUrl,
      db_url: databaseUrl,
      secret_key: keys.secretKey,
      service_role_key: keys.serviceRoleKey,
      receiver_url: receiver.url,
    },
    options.apiPort,
    cleanup,
  );

  const call = async (name) => {
    const response = await fetch(`${apiUrl}/functions/v1/${name}`, {
      method: "POST",
      headers: { apikey: keys.secretKey },
    });
    if (!response.ok) throw new Failure(`${name} answered ${response.status}: ${await response.text()}`);
    return await response.json();
  };
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  await cleanup.add(() => sql.end({ timeout: 0 }));
  try {
    say("causing the nine events and delivering them");
    const endpointName = "local receiver";
    await events.createEndpoint(sql, {
      name: endpointName,
      url: receiver.url,
      secret,
      events: [...events.EVENTS, "webhook.test"],
    });
    if (options.migrated) {
      await migrated.migrate(sql);
      // It goes on waking the dispatcher while the stack is up, so it has connections of its own.
      const wakeups = await migrated.startWakeups(postgres(databaseUrl, { max: 2, onnotice: () => {} }), {
        url: `${apiUrl}/functions/v1/webhook-dispatcher`,
        key: keys.secretKey,
      });
      await cleanup.add(wakeups.stop);
      await migrated.causeChanges(sql);
      await migrated.untilDelivered(sql);
      say(
        `no call of dispatch_webhook; calls of the dispatcher by commits: ${await wakeups
          .calls()} (a stand-in for pg_net)`,
      );
    } else {
      await events.causeEvents(sql, () => call("close-expired-discussions"));
      await call("webhook-dispatcher");
    }
    const deliveries = await deliveryReport(sql, receiver.receipts);
    console.log(deliveryTable(deliveries));
    const delivered = deliveries.filter((one) => one.status === "delivered" && one.verified).length;
    say(`\naddresses and keys: ${published}; logs: ${relative(ROOT, logs)}`);
    return { events: events.EVENTS.length, delivered, api_url: apiUrl, db_url: databaseUrl, deliveries };
  } finally {
    await sql.end();
  }
}

/** Tells where everything is: in stack.json, or beside it where another start that is up has that name. */
async function publish(addresses, apiPort, cleanup) {
  const { process: other } = await readJson(join(LOCAL, "stack.json"));
  const name = other && isAlive(other) ? `stack-${apiPort}.json` : "stack.json";
  await writeJson(join(LOCAL, name), { ...addresses, process: describe(process.pid) });
  await cleanup.add(() => rm(join(LOCAL, name), { force: true }));
  return join(".local", name);
}

/** A line for each delivery: the row beside what the receiver saw. */
async function deliveryReport(sql, receipts) {
  const rows = await sql`
    select d.id, d.event_type, c.name, d.attempts, d.status, d.error_message, d.created_at
    from public.webhook_deliveries d join public.webhook_configurations c on c.id = d.webhook_config_id
    order by d.created_at`;
  return rows.map((row) => {
    const receipt = receipts.findLast(({ id }) => id === row.id);
    return {
      event: row.event_type,
      endpoint: row.name,
      attempts: row.attempts,
      status: row.status,
      verified: receipt !== undefined && receipt.error === null,
      latency_ms: receipt ? receipt.receivedAt - row.created_at.getTime() : null,
      error: row.error_message,
    };
  });
}
