/** When what happens. Only stimuli have times; the end of the run is an event. */

import { say } from "../say.mjs";
import { randomFrom, uuidFrom } from "./random.mjs";

/** Deliveries come in bursts, one a second: dispatchers are killed both at work and in between. */
const BURST = 100;
const BURST_MS = 1_000;
/** However few deliveries there are, there is time to break something. */
const LEAST_BURSTS = 5;
const SHORTEST_OUTAGE_MS = 300;
const LONGEST_OUTAGE_MS = 2_000;
const LIMIT_MS = 600_000;
const PROGRESS_MS = 5_000;

/** What is to be delivered to whom, by id. */
export function deliveriesOf({ deliveries, receivers, seed }) {
  const numbers = Array.from({ length: deliveries }, (_, n) => n);
  return new Map(numbers.map((n) => [uuidFrom(seed, "delivery", n), { receiver: n % receivers, n }]));
}

/** Inserts all deliveries; until then dispatchers are killed and PostgreSQL is restarted. */
export async function breakThings({ options, database, dispatchers, deliveries, endpointIds, nextHeld }) {
  const burst = Math.min(BURST, Math.ceil(deliveries.size / LEAST_BURSTS));
  const feeding = feed(database, deliveries, endpointIds, burst);
  const fed = feeding.then(() => true);
  // Losers of races below, if feeding fails.
  fed.catch(() => {});
  await Promise.all([
    feeding,
    killSome({ ...options, database, dispatchers, nextHeld, fed }),
    restartSome({ ...options, database, fed, lengthMs: (deliveries.size / burst) * BURST_MS }),
  ]);
}

async function feed(database, deliveries, endpointIds, burst) {
  const columns = [...deliveries].map(([id, { receiver, n }]) => ({
    id,
    endpoint_id: endpointIds[receiver],
    n,
  }));
  while (columns.length > 0) {
    await database.insertDeliveries(columns.splice(0, burst));
    if (columns.length > 0) await pause(BURST_MS);
  }
}

/**
 * One after the other, one at least. Half of the kills hit a dispatcher whose request is being acknowledged: it dies
 * before it can write that.
 */
async function killSome({ seed, secondsBetweenKills, database, dispatchers, nextHeld, fed }) {
  const random = randomFrom(seed, "kills");
  let killed = 0;
  while (true) {
    const wait = pause(secondsBetweenKills * 1_000 * (0.5 + random()));
    const isAtAcknowledgement = random() < 0.5;
    if (await (killed > 0 ? Promise.race([fed, wait]) : wait)) return;
    const held = isAtAcknowledgement ? await nextHeld(fed) : undefined;
    if (held) {
      const claimant = await database.claimantOf(held.id);
      held.acknowledge();
      if (dispatchers.kill(claimant)) killed++;
    } else if (dispatchers.killAny(random)) {
      killed++;
    }
  }
}

/** A crash first, then a shutdown, and so on, spread over the time in which deliveries come in. */
async function restartSome({ seed, restarts, database, fed, lengthMs }) {
  const random = randomFrom(seed, "restarts");
  for (let nth = 0; nth < restarts; nth++) {
    const downMs = SHORTEST_OUTAGE_MS + random() * (LONGEST_OUTAGE_MS - SHORTEST_OUTAGE_MS);
    // However short the run, there is a restart in it.
    await Promise.race([fed, pause((lengthMs / (restarts + 1)) * (0.5 + random()))]);
    await database.restart(nth % 2 === 0 ? "SIGQUIT" : "SIGINT", downMs);
  }
}

/** Sees in the dispatchers' answers that nothing is pending. */
export function awaitedAnswer() {
  let since = Infinity;
  let found = () => {};
  return {
    look: ({ remaining }, calledAt) => {
      if (remaining === 0 && calledAt >= since) found();
    },
    /** Resolves to true at the first call from then on that leaves nothing. */
    since: (time) =>
      new Promise((resolve) => {
        since = time;
        found = () => resolve(true);
      }),
  };
}

/** Resolves to false when the run has taken too long. */
export function hardLimit(cleanup) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), LIMIT_MS);
    cleanup.add(() => clearTimeout(timer)).catch(() => {});
  });
}

/** @returns {() => void} ends it */
export function showProgress(line) {
  const timer = setInterval(() => say(line()), PROGRESS_MS);
  return () => clearInterval(timer);
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
