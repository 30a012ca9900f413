/**
 * Delivers what is due: claims as many rows as can be sent at once, so that the lease of a claimed row covers one
 * request; writes results while others are under way. How much each endpoint may get, the core says.
 *
 * @module
 */

import { createBell } from "./bell.ts";
import type { BatchOutcome, ClaimOrder, Dispatcher, Plan, RowUpdate } from "./core.ts";
import { logFailed } from "./journal.ts";
import { persist, record, type Recorder } from "./record.ts";
import type { Store } from "./store.ts";
import type { Send } from "./send.ts";

export interface DrainOptions extends Recorder {
  store: Pick<Store, "claim" | "record" | "retire" | "endpoints" | "recentAttempts">;
  dispatcher: Pick<
    Dispatcher,
    "observe" | "rateWindows" | "heed" | "claimOrder" | "plan" | "settle" | "takeFailed"
  >;
  send: Send;
  /** How many requests are under way at once. */
  concurrency: number;
  /** How long to go on claiming, in milliseconds. */
  timeBudgetMs: number;
  /** How long to wait for a delivery that becomes due when there is nothing else to do, in milliseconds. */
  retryWaitMs: number;
  /** How often to look for new deliveries where there is nothing else to do, in milliseconds; null to end then. */
  pollMs?: number | null;
  /** Called when an endpoint's breaker has opened or it was switched off. Never rejects. */
  onTrouble?: () => Promise<unknown>;
}

/** What a run did. */
export interface Drained {
  delivered: number;
  /** Failed attempts whose delivery waits for the next one. */
  retrying: number;
  /** Deliveries that failed for good. */
  exhausted: number;
  /** Results that came after another dispatcher had taken the row: the lease was too short for them. */
  superseded: number;
}

/** How often the tables are asked for news while requests are under way, in milliseconds. */
const NEWS_MS = 500;
/** On a large table, at most this part of the time is spent on that. */
const MOST_ASKING = 1 / 10;
/** How long to try again to claim: a connection may have been cut while nobody used it. In milliseconds. */
const CLAIM_PATIENCE_MS = 3_000;

/** For how long there is nothing to do, in milliseconds; null for as long as nothing happens. */
type Idle = Pick<ClaimOrder, "waitMs" | "paceMs">;

/** Rejects if the database does, once all that was under way has ended and was offered to it. */
export async function drain(options: DrainOptions): Promise<Drained> {
  const { store, dispatcher, send, now, log, concurrency, retryWaitMs, stop } = options;
  const deadline = now() + options.timeBudgetMs;
  const drained: Drained = { delivered: 0, retrying: 0, exhausted: 0, superseded: 0 };
  const outcomes: BatchOutcome[] = [];
  const refused: RowUpdate[] = [];
  /** The URLs that are called, by endpoint; none for one whose URL has changed meanwhile. */
  const urls = new Map<string, string>();
  const complaints = new Set<string>();
  const claiming = { ...options, patienceMs: CLAIM_PATIENCE_MS };
  const bell = createBell(stop);
  let underWay = 0;
  let writing: Promise<void> | undefined;
  let telling: Promise<void> | undefined;
  let failure: unknown;
  /** The tables are to be asked before the next claim. */
  let isStale = true;
  /** Something has happened since they were asked that may have made more due. */
  let isDirty = false;
  /** They were asked, and a claim found nothing all the same: somebody else has it. */
  let isFruitless = false;
  let newsAt = 0;

  const start = (plan: Plan) => {
    refused.push(...plan.refused);
    for (const batch of plan.batches) {
      const { endpointId, attempts } = batch;
      underWay++;
      send(batch).then(({ ends, durationMs }) => {
        outcomes.push({ endpointId, attempts, ends, durationMs });
        underWay--;
        bell.ring();
      });
    }
  };

  const write = async () => {
    const { updates, gone, opened, notReady } = dispatcher.settle(outcomes.splice(0), now());
    updates.push(...refused.splice(0));
    logFailed(dispatcher, log);
    for (const endpoint of opened) log("warn", "breaker_opened", { endpoint });
    for (const { endpoint, error } of notReady) {
      // Once a run: a row tells it each time.
      if (complaints.has(endpoint + error)) continue;
      complaints.add(endpoint + error);
      log("error", "not_ready", { endpoint, error });
    }
    const written = new Set(await record(options, updates));
    const own = updates.filter(({ id }) => written.has(id));
    for (const { disposition } of own) drained[disposition]++;
    const superseded = updates.length - own.length;
    if (superseded > 0) log("warn", "results_superseded", { count: superseded });
    drained.superseded += superseded;
    const endpoints = gone.map((id) => ({ id, url: urls.get(id) ?? "" }));
    const retired = endpoints.length > 0 ? await persist(options, () => store.retire(endpoints)) : [];
    for (const endpoint of retired) log("warn", "endpoint_switched_off", { endpoint });
    if (opened.length > 0 || retired.length > 0) tell();
    isDirty = true;
  };

  // Results do not wait for it; the run does.
  const tell = () => {
    telling ??= options.onTrouble?.().then(() => {
      telling = undefined;
      isDirty = true;
      bell.ring();
    });
  };

  // One write at a time: what comes in meanwhile goes into the next one.
  const writeInBackground = () => {
    if (writing || (outcomes.length === 0 && refused.length === 0)) return;
    writing = write().catch((error) => {
      failure ??= error;
    }).finally(() => {
      writing = undefined;
      bell.ring();
    });
  };

  const observe = async () => {
    [isStale, isDirty, isFruitless] = [false, false, false];
    const askedAt = now();
    dispatcher.observe(await persist(claiming, store.endpoints), now());
    const windows = dispatcher.rateWindows();
    const recent = windows.length > 0 ? await persist(claiming, () => store.recentAttempts(windows)) : [];
    for (const one of recent) dispatcher.heed(one.id, one.recent, now());
    newsAt = now() + Math.max(NEWS_MS, (now() - askedAt) / MOST_ASKING);
  };

  const claim = async ({ allowances, rows: most }: ClaimOrder) => {
    const rows = await persist(claiming, () => store.claim(most, allowances));
    for (const { endpoint_id: id, url } of rows) urls.set(id, (urls.get(id) ?? url) === url ? url ?? "" : "");
    start(dispatcher.plan(rows, now()));
    const allowed = allowances.reduce((sum, { most }) => sum + most, 0);
    if (rows.length === 0) isFruitless = true;
    else if (rows.length < Math.min(most, allowed)) isStale = true;
  };

  const mayClaim = () => failure === undefined && now() < deadline && !stop?.aborted;
  const isBusy = () => underWay > 0 || writing !== undefined || telling !== undefined;

  /** For how long it is worth waiting with nothing under way; undefined where it is not. */
  const idleWaitMs = ({ waitMs, paceMs }: Idle): number | undefined => {
    const soon = waitMs !== null && waitMs <= retryWaitMs ? waitMs : Infinity;
    const next = Math.min(soon, paceMs ?? Infinity, options.pollMs ?? Infinity);
    return now() + next < deadline ? next : undefined;
  };

  /** Does what there is to do; says for how long there is nothing where that is so. */
  const work = async (): Promise<Idle | undefined> => {
    // Between two writes: all that the dispatcher counts on top of the tables is in them now.
    if (mayClaim() && isStale && !writing) {
      await observe();
      return undefined;
    }
    writeInBackground();
    if (!mayClaim() || isStale) return { waitMs: null, paceMs: null };
    const free = concurrency - underWay;
    const order = dispatcher.claimOrder(free, now());
    if (order.allowances.length > 0 && !isFruitless) {
      await claim(order);
      return undefined;
    }
    // Before the run ends the tables are asked in any case.
    const isEnding = !isBusy() && idleWaitMs(order) === undefined;
    if (isDirty && (isEnding || now() >= newsAt)) {
      isStale = true;
      return undefined;
    }
    return order;
  };

  while (true) {
    bell.reset();
    const idle = await work().catch((error) => {
      failure ??= error;
      return undefined;
    });
    if (!idle) continue;
    const { waitMs, paceMs } = idle;
    if (isBusy()) {
      if (await bell.within(Math.min(waitMs ?? NEWS_MS, paceMs ?? NEWS_MS, NEWS_MS))) isDirty = true;
    } else if (outcomes.length === 0 && refused.length === 0) {
      const ms = mayClaim() ? idleWaitMs(idle) : undefined;
      if (ms !== undefined) {
        if (await bell.within(ms)) isDirty = true;
      } else if (!isDirty || !mayClaim()) {
        break;
      }
    }
    // Otherwise something came since work() looked: the last results, or their writing has ended.
  }
  bell.close();
  if (failure !== undefined) throw failure;
  return drained;
}
