/**
 * The account of a chaos run: the table, the journal of its changes and what the receivers saw, held against each
 * other. It is exact. Each request carries the span id of its attempt, each attempt was claimed in the journal by one
 * dispatcher process, and of each process it is known whether and when it was killed.
 *
 * A receiver that acknowledged an attempt whose success is not in the journal will get the delivery again. That is
 * what at-least-once means, and it is explained by one of these alone:
 *
 * - kill: the process that claimed it was killed within the lease.
 * - outage: PostgreSQL went down within the lease, or was down when the acknowledgement came.
 * - late answer: the process has written that it timed out, and the answer came in the second half of that time, or
 *   the process was behind with its work, as its writing shows: the processors are busy, and answers wait to be read.
 *
 * Neither a kill nor an outage explains a result that the process had passed over: results are written in the order in
 * which they come, so once it has written an attempt that it claimed when this one's exchange must have been over, this
 * one's result should have been written, too.
 */

import { createHash } from "node:crypto";

/** An answer that comes past this share of the time-out may be read after it. */
const LATE_SHARE = 0.5;
/** A process that writes a time-out so much of it too late is behind with all of its work. */
const BEHIND_SHARE = 0.25;

/**
 * @param {object} facts
 * @param {Map<string, { receiver: number, n: number }>} facts.deliveries what was inserted, by id
 * @param {{ id: string, status: string, attempts: number, error_message: string | null }[]} facts.rows
 * @param {Change[]} facts.journal in order
 * @param {import("./receivers.mjs").Request[]} facts.requests
 * @param {Map<string, import("./dispatchers.mjs").Dispatcher>} facts.dispatchers
 * @param {{ from: number, to: number }[]} facts.outages
 * @param {number} facts.timeoutMs
 * @param {number} facts.leaseMs
 *
 * @typedef {{ at: number, dispatcher: string, id: string, attempts_before: number, attempts: number, status: string,
 *   error_message: string | null }} Change
 * @typedef {{ number: number, dispatcher: string, claimedAt: number, written: Change | null,
 *   request: import("./receivers.mjs").Request | null }} Attempt
 */
export function account(facts) {
  const { deliveries, rows, requests, dispatchers } = facts;
  /** @type {{ id: string | null, what: string }[]} what must not be, and to which delivery it happened */
  const unexplained = [];
  const causes = { kill: 0, outage: 0, "late answer": 0 };
  const byKill = new Map();
  let lost = 0;

  for (const { name, diedByItself } of dispatchers.values()) {
    if (diedByItself) unexplained.push({ id: null, what: `${name} died by itself` });
  }
  const attempts = attemptsFrom(facts.journal, unexplained);
  matchRequests(requests, attempts, unexplained);
  const writtenBy = writtenAttempts(attempts);

  const copies = requests.filter(({ acknowledgedAt }) => acknowledgedAt !== null).map(({ id }) => id);
  const rowsById = new Map(rows.map((row) => [row.id, row]));
  for (const id of deliveries.keys()) {
    const row = rowsById.get(id);
    const say = (what) => unexplained.push({ id, what });
    if (row?.status !== "delivered") lost++;
    if (!row) {
      say("its row is gone");
      continue;
    }
    if (row.status === "failed" && !row.error_message) say("it failed without a reason");
    const own = attempts.get(id) ?? [];
    const acknowledged = own.filter(({ request }) => request && request.acknowledgedAt !== null);
    for (const attempt of acknowledged) {
      if (attempt.written?.status === "delivered") continue;
      const cause = causeOf(attempt, facts, writtenBy);
      if (!cause) say(`attempt ${attempt.number} was acknowledged, and ${nowSays(attempt)}`);
      else causes[cause]++;
      if (cause === "kill") byKill.set(attempt.dispatcher, (byKill.get(attempt.dispatcher) ?? 0) + 1);
    }
    if (row.status === "delivered") {
      const last = acknowledged.at(-1);
      if (last?.number !== row.attempts || last.written?.status !== "delivered") {
        say(`its row says delivered by attempt ${row.attempts}, which no receiver acknowledged`);
      }
    } else if (acknowledged.length > 0) {
      say(`it was acknowledged, and its row says ${row.status}`);
    }
  }
  const duplicates = copies.length - new Set(copies).size;
  return { lost, unexplained, duplicates, causes, mostByOneKill: Math.max(0, ...byKill.values()) };
}

/** The attempts at each delivery, as the journal tells them: a claim, and what its dispatcher wrote afterwards. */
function attemptsFrom(journal, unexplained) {
  /** @type {Map<string, Attempt[]>} */
  const attempts = new Map();
  for (const change of journal) {
    const own = attempts.get(change.id) ?? [];
    attempts.set(change.id, own);
    if (change.attempts > change.attempts_before) {
      const { at, attempts: number, dispatcher } = change;
      // The receivers' clock has no fractions.
      own.push({ number, dispatcher, claimedAt: Math.floor(at), written: null, request: null });
      continue;
    }
    const attempt = own.at(-1);
    // Claimed before there was a slot for it, and given back: no attempt. Whoever has sent it all the same is found out, as its
    // request belongs to none.
    if (change.attempts < change.attempts_before) {
      const isOwn = attempt?.number === change.attempts_before && attempt.dispatcher === change.dispatcher;
      if (isOwn && !attempt.written) own.pop();
      else unexplained.push({ id: change.id, what: `${change.dispatcher} gave back what was not its own` });
      continue;
    }
    // A write whose confirmation was lost may come twice.
    if (attempt?.number === change.attempts && attempt.dispatcher === change.dispatcher) {
      attempt.written = change;
    } else {
      unexplained.push({ id: change.id, what: `${change.dispatcher} wrote to a row that was not its own` });
    }
  }
  return attempts;
}

/** Each request belongs to one attempt, and each attempt sends one request at most. */
function matchRequests(requests, attempts, unexplained) {
  const bodies = new Map();
  for (const request of requests) {
    const { id, receiver } = request;
    const say = (what) => unexplained.push({ id, what: `receiver ${receiver}: ${what}` });
    if (request.problem) {
      say(request.problem);
      continue;
    }
    const first = bodies.get(request.id) ?? request.body;
    bodies.set(request.id, first);
    if (request.body !== first) say("its copies differ");
    const own = attempts.get(request.id) ?? [];
    const attempt = own.findLast(({ number, claimedAt }) =>
      claimedAt <= request.at && spanOf(request.id, number) === request.span
    );
    if (!attempt) say("no dispatcher had claimed it");
    else if (attempt.request) say(`attempt ${attempt.number} was sent twice`);
    else attempt.request = request;
  }
}

/** The span id of an attempt: the start of a hash (crates/webhook-payload/src/trace.rs). */
export function spanOf(id, attempt) {
  return createHash("sha256").update(`${id}/${attempt}`).digest("hex").slice(0, 16);
}

/** The attempts whose results each dispatcher has written. */
function writtenAttempts(attempts) {
  /** @type {Map<string, Attempt[]>} */
  const writtenBy = new Map();
  for (const attempt of [...attempts.values()].flat()) {
    if (!attempt.written) continue;
    const own = writtenBy.get(attempt.dispatcher) ?? [];
    writtenBy.set(attempt.dispatcher, own);
    own.push(attempt);
  }
  return writtenBy;
}

/** Why an acknowledged attempt is not known as a success; undefined where nothing excuses that. */
function causeOf(attempt, { dispatchers, outages, timeoutMs, leaseMs }, writtenBy) {
  const { written, dispatcher, claimedAt, request } = attempt;
  const { acknowledgedAt, at: sentAt } = request;
  if (written) {
    const isBehind = written.at - sentAt >= timeoutMs * (1 + BEHIND_SHARE);
    const isLate = isBehind || acknowledgedAt >= sentAt + timeoutMs * LATE_SHARE;
    return isLate && /^timed out/.test(written.error_message ?? "") ? "late answer" : undefined;
  }
  const later = (writtenBy.get(dispatcher) ?? []).filter((one) => one.claimedAt > acknowledgedAt + timeoutMs);
  const explains = (time) => time <= claimedAt + leaseMs && !later.some((one) => one.written.at < time);
  const killedAt = dispatchers.get(dispatcher)?.killedAt ?? Infinity;
  if (explains(killedAt)) return "kill";
  return outages.some(({ from, to }) => to >= acknowledgedAt && explains(from)) ? "outage" : undefined;
}

function nowSays({ written, dispatcher }) {
  return written
    ? `${dispatcher} wrote "${written.error_message}"`
    : `${dispatcher}, which was not killed then, never wrote it`;
}
