/**
 * `npm run chaos`: many deliveries while receivers misbehave, dispatchers are killed and PostgreSQL goes down; then the
 * account of what became of them. See `--help`.
 */

import { createWriteStream } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { Cleanup } from "./cleanup.mjs";
import { endLeftovers, forget, note } from "./leftovers.mjs";
import { ROOT } from "./processes.mjs";
import { denoPath } from "./programs.mjs";
import { Failure, run, say } from "./say.mjs";
import { setUp } from "./setup.mjs";

const HELP = `npm run chaos [-- OPTIONS]

Inserts deliveries while dispatchers are killed, PostgreSQL is restarted and receivers misbehave; goes on until nothing
is pending, and tells what was lost, what came twice, and whether all of that is explained. Exit 0 only if nothing is
lost or unexplained, and something was killed.

  --deliveries N               how many (10000)
  --receivers N                endpoints; two in five are healthy (20)
  --dispatchers N              processes at a time (4)
  --seconds-between-kills N    on average (3)
  --restarts N                 of PostgreSQL, a crash and a shutdown in turn (2)
  --seed TEXT                  repeats the faults and the times of the kills (by default a new one)
  --json                       the last line of stdout is one JSON object`;

const TIMEOUT_MS = 1_000;
const LEASE_MS = 11_000;
const VARIABLES = {
  WEBHOOK_REQUEST_TIMEOUT: `${TIMEOUT_MS}ms`,
  WEBHOOK_LEASE: `${LEASE_MS}ms`,
  WEBHOOK_MAX_ATTEMPTS: "1000",
  WEBHOOK_CLIENT_ERROR_ATTEMPTS: "1000",
  WEBHOOK_RETRY_SCHEDULE: "200ms,500ms,1s",
  WEBHOOK_BREAKER_PAUSE: "1s",
  WEBHOOK_TIME_BUDGET: "10s",
  WEBHOOK_CONCURRENCY: "50",
  WEBHOOK_ALLOWED_ADDRESSES: "127.0.0.0/8",
};

await run(async () => {
  const options = readOptions();
  if (options.help) return console.log(HELP);
  const cleanup = new Cleanup();
  let isEnding = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, async () => {
      if (isEnding) return;
      isEnding = true;
      say("stopping");
      // What is under way fails when its processes go, and nobody waits for it any more.
      process.on("unhandledRejection", () => {});
      await cleanup.run();
      process.exit(1);
    });
  }
  try {
    const result = await chaos(options, cleanup);
    if (options.json) console.log(JSON.stringify(result));
    if (result.lost > 0 || result.unexplained > 0 || result.kills === 0) process.exitCode = 1;
  } catch (error) {
    if (!isEnding) throw error;
  } finally {
    await cleanup.run();
  }
});
// Where something else than a delivery failed, the schedule's timers would go on.
process.exit();

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        deliveries: { type: "string", default: "10000" },
        receivers: { type: "string", default: "20" },
        dispatchers: { type: "string", default: "4" },
        "seconds-between-kills": { type: "string", default: "3" },
        restarts: { type: "string", default: "2" },
        seed: { type: "string", default: String(Math.floor(Math.random() * 1e9)) },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    const number = (name, least, isRight = Number.isInteger) => {
      const value = Number(values[name]);
      if (isRight(value) && value >= least) return value;
      throw new Failure(`--${name}: expected a number from ${least}, got ${values[name]}`);
    };
    return {
      ...values,
      deliveries: number("deliveries", 1),
      // A redirect needs somewhere to go.
      receivers: number("receivers", 2),
      dispatchers: number("dispatchers", 1),
      restarts: number("restarts", 0),
      secondsBetweenKills: number("seconds-between-kills", 0.1, Number.isFinite),
    };
  } catch (error) {
    throw error instanceof Failure ? error : new Failure(`${error.message}\n\n${HELP}`);
  }
}

async function chaos(options, cleanup) {
  await setUp();
  await endLeftovers();
  // What needs packages is imported once they are there.
  const [
    { startDatabase },
    { startDispatchers },
    { startReceivers },
    { createKeys, functionEnv },
    schedule,
    ...more
  ] = await Promise.all([
    import("./chaos/database.mjs"),
    import("./chaos/dispatchers.mjs"),
    import("./chaos/receivers.mjs"),
    import("./functions.mjs"),
    import("./chaos/schedule.mjs"),
    import("./chaos/account.mjs"),
    import("./chaos/table.mjs"),
  ]);
  const [{ account }, { receiverTable, summaryTable }] = more;
  const { seed } = options;
  say(`seed ${seed}: npm run chaos -- --seed ${seed} repeats the faults and the times of the kills`);
  const startedAt = Date.now();

  await cleanup.add(forget);
  const database = await startDatabase(cleanup, { random: Math.random, onSpawn: note });
  const deliveries = schedule.deliveriesOf(options);
  const { receivers, requests, nextHeld } = await startReceivers(cleanup, {
    count: options.receivers,
    seed,
    deliveries,
  });
  const endpointIds = await database.insertEndpoints(receivers);

  const logs = join(ROOT, ".local/logs");
  await mkdir(logs, { recursive: true });
  const log = createWriteStream(join(logs, "chaos.log"));
  const keys = createKeys();
  const nothingPending = schedule.awaitedAnswer();
  const dispatchers = await startDispatchers(cleanup, {
    count: options.dispatchers,
    deno: await denoPath(),
    secretKey: keys.secretKey,
    envFor: (name) => ({ ...functionEnv({ databaseUrl: database.urlFor(name), keys }), ...VARIABLES }),
    onSpawn: note,
    onLine: (line) => log.write(`${line}\n`),
    onSummary: nothingPending.look,
  });

  const kills = () => [...dispatchers.all.values()].filter(({ killedAt }) => killedAt !== null).length;
  const stopProgress = schedule.showProgress(() => {
    const acknowledged = new Set(
      requests.filter((one) => one.acknowledgedAt !== null).map(({ id }) => id),
    ).size;
    return `${acknowledged} of ${options.deliveries} delivered, ${kills()} kills, ${database.outages.length} restarts`;
  });
  await cleanup.add(stopProgress);
  const isDone = schedule
    .breakThings({ options, database, dispatchers, deliveries, endpointIds, nextHeld })
    .then(() => nothingPending.since(Date.now()));
  const reachedEnd = await Promise.race([
    isDone,
    dispatchers.kept.then(() => false),
    schedule.hardLimit(cleanup),
  ]);
  if (!reachedEnd) say("there are pending rows at the time limit");
  await dispatchers.finish();
  stopProgress();

  const { rows, journal } = await database.result();
  const { outages } = database;
  const times = { timeoutMs: TIMEOUT_MS, leaseMs: LEASE_MS };
  const facts = { deliveries, rows, journal, requests, dispatchers: dispatchers.all, outages, ...times };
  const found = account(facts);
  const seconds = Math.round((Date.now() - startedAt) / 1000);
  console.log(receiverTable({ receivers, requests, deliveries }));
  console.log(summaryTable({ ...found, seconds, requests, outages, unanswered: dispatchers.unanswered() }));
  if (found.unexplained.length > 0) {
    for (const { id, what } of found.unexplained.slice(0, 20)) {
      say(`unexplained: ${id ?? "a process"}: ${what}`);
    }
    // With this and the account, one can find out what happened without doing it again.
    const file = join(logs, "chaos-facts.json");
    const maps = { deliveries: [...deliveries], dispatchers: [...dispatchers.all] };
    await writeFile(file, JSON.stringify({ ...facts, ...maps }));
    say(`all that is known: ${relative(ROOT, file)}`);
  }
  say(`seed ${seed}; the dispatchers' logs: ${relative(ROOT, join(logs, "chaos.log"))}`);
  return {
    deliveries: options.deliveries,
    lost: found.lost,
    unexplained: found.unexplained.length,
    duplicates: found.duplicates,
    kills: kills(),
  };
}
