/**
 * Delivers what is due: claims in the background what there will be slots for, sends, and writes results in the
 * background. How much each endpoint may get, and what is begun next, the core says.
 *
 * @module
 */

import { type Bell, createBell } from "./bell.ts";
import { type Carry, packed } from "./carry.ts";
import type { ClaimOrder, Dispatcher } from "./core.ts";
import { logFailed } from "./journal.ts";
import { persist, record, type Recorder } from "./record.ts";
import type { Store } from "./store.ts";

export interface DrainOptions extends Recorder {
  store: Pick<Store, "claim" | "write" | "giveBack" | "retire" | "endpoints" | "recentAttempts">;
  dispatcher: Pick<
    Dispatcher,
    | "observe"
    | "rateWindows"
    | "heed"
    | "claimOrder"
    | "takeIn"
    | "waiting"
    | "unwritten"
    | "conclude"
    | "giveBack"
    | "takeFailed"
  >;
  carry: Carry;
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
/** So many results are written at once; fewer where they have waited so long, in milliseconds, or nothing else comes. */
const WRITTEN_AT_ONCE = 500;
const LONGEST_UNWRITTEN_MS = 50;
/** So much of the time that a claim took, in milliseconds, its rows have waited: not so much that none of them could begin. */
const MOST_CLAIM_MS = 4_000;
/** How often to look for claimed rows that are not to wait any longer, in milliseconds. */
const GIVE_BACK_MS = 200;

/** For how long there is nothing to do, in milliseconds; null for as long as nothing happens. */
type Idle = Pick<ClaimOrder, "waitMs" | "paceMs">;

/** Rejects if the database does, once all that was under way has ended and was offered to it. */
export function drain(options: DrainOptions): Promise<Drained> {
  return new Drain(options).run();
}

class Drain {
  readonly #options: DrainOptions;
  readonly #claiming: DrainOptions;
  readonly #bell: Bell;
  readonly #deadline: number;
  readonly #drained: Drained = { delivered: 0, retrying: 0, exhausted: 0, superseded: 0 };
  /** The URLs that are called, by endpoint; none for one whose URL has changed meanwhile. */
  readonly #urls = new Map<string, string>();
  readonly #complaints = new Set<string>();
  #underWay = 0;
  #claim: Promise<void> | undefined;
  #writing: Promise<void> | undefined;
  #telling: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;
  #isFillQueued = false;
  /** The tables are to be asked before the next claim. */
  #isStale = true;
  /** Something has happened since they were asked that may have made more due. */
  #isDirty = false;
  /** They were asked, and a claim found nothing all the same: somebody else has it. */
  #isFruitless = false;
  /** So was the last claim. */
  #wasFruitless = false;
  #newsAt = 0;
  #writeAt = Infinity;
  #giveBackAt = 0;
  /** With so many rows waiting, or fewer, another claim may be worth it. */
  #refillAt = 0;

  constructor(options: DrainOptions) {
    this.#options = options;
    this.#claiming = { ...options, patienceMs: CLAIM_PATIENCE_MS };
    this.#bell = createBell(options.stop);
    this.#deadline = options.now() + options.timeBudgetMs;
  }

  async run(): Promise<Drained> {
    const { dispatcher, now } = this.#options;
    while (true) {
      this.#bell.reset();
      const idle = await this.#work().catch((error) => {
        // What fails once the run has failed would do so again and again: the core itself.
        if (this.#failure) throw this.#failure.error;
        return this.#fail(error);
      });
      if (!idle) continue;
      const { waitMs, paceMs } = idle;
      if (this.#isBusy()) {
        const soonest = Math.min(waitMs ?? NEWS_MS, paceMs ?? NEWS_MS, NEWS_MS, this.#untilNextTurn());
        if (await this.#bell.within(soonest) && now() >= this.#newsAt) this.#isDirty = true;
      } else if (dispatcher.unwritten === 0) {
        const ms = this.#mayClaim() ? this.#idleWaitMs(idle) : undefined;
        if (ms !== undefined) {
          if (await this.#bell.within(ms)) this.#isDirty = true;
        } else if (!this.#isDirty || !this.#mayClaim()) {
          break;
        }
      }
      // Otherwise something came since #work looked: the last results, or their writing has ended.
    }
    this.#bell.close();
    if (this.#failure) throw this.#failure.error;
    return this.#drained;
  }

  /** Does what there is to do; says for how long there is nothing where that is so. */
  async #work(): Promise<Idle | undefined> {
    const { dispatcher, concurrency, now } = this.#options;
    const nothing = { waitMs: null, paceMs: null };
    // Between two writes and two claims: all that the dispatcher counts on top of the tables is in them now.
    const isToAsk = this.#mayClaim() && this.#isStale;
    if (isToAsk && !this.#writing && !this.#claim) {
      await this.#observe();
      return undefined;
    }
    this.#fill();
    if (isToAsk) return nothing;
    this.#write();
    if (!this.#mayClaim() || this.#claim) return nothing;
    // One slot's deliveries may have needed several requests.
    const order = dispatcher.claimOrder(Math.max(0, concurrency - this.#underWay), now());
    this.#refillAt = order.refillAt;
    if (order.allowances.length > 0 && !this.#isFruitless) {
      this.#claim = this.#claimed(order).catch((error) => this.#fail(error)).finally(() => {
        this.#claim = undefined;
        this.#bell.ring();
      });
      return nothing;
    }
    // Before the run ends the tables are asked in any case.
    const isEnding = !this.#isBusy() && this.#idleWaitMs(order) === undefined;
    if (this.#isDirty && (isEnding || now() >= this.#newsAt)) {
      this.#isStale = true;
      return undefined;
    }
    return order;
  }

  async #observe(): Promise<void> {
    const { dispatcher, store, now } = this.#options;
    [this.#isStale, this.#isDirty, this.#isFruitless] = [false, false, false];
    const askedAt = now();
    dispatcher.observe(await persist(this.#claiming, store.endpoints), now());
    const windows = dispatcher.rateWindows();
    if (windows.length > 0) {
      const recent = await persist(this.#claiming, () => store.recentAttempts(windows));
      for (const one of recent) dispatcher.heed(one.id, one.recent, now());
    }
    this.#newsAt = now() + Math.max(NEWS_MS, (now() - askedAt) / MOST_ASKING);
  }

  async #claimed({ allowances, rows: most }: ClaimOrder): Promise<void> {
    const { dispatcher, store, now } = this.#options;
    let askedAt = 0;
    const rows = await persist(this.#claiming, () => {
      askedAt = now();
      return store.claim(most, allowances);
    });
    const urls = this.#urls;
    for (const { endpoint_id: id, url } of rows) urls.set(id, (urls.get(id) ?? url) === url ? url ?? "" : "");
    const allowed = allowances.reduce((sum, { most }) => sum + most, 0);
    if (rows.length === 0) {
      this.#isFruitless = true;
      // Somebody may have been a step ahead all the way: the tables are asked once more.
      this.#isDirty ||= !this.#wasFruitless;
      this.#wasFruitless = true;
    } else {
      this.#wasFruitless = false;
      if (rows.length < Math.min(most, allowed) && !rows.isCut) this.#isStale = true;
      // The leases began some time after it was asked for.
      dispatcher.takeIn(packed(rows), Math.max(askedAt, now() - MOST_CLAIM_MS));
      // Also when the time is over just now: what there is a slot for need not go back.
      this.#begin();
    }
  }

  #fill(): void {
    if (this.#mayClaim()) this.#begin();
  }

  #begin(): void {
    const { dispatcher, carry, concurrency, stop } = this.#options;
    const free = concurrency - this.#underWay;
    if (free <= 0 || dispatcher.waiting === 0 || this.#failure || stop?.aborted) return;
    this.#underWay += carry(free, this.#ended);
    if (dispatcher.unwritten > 0) this.#noteUnwritten();
  }

  readonly #ended = (error?: unknown): void => {
    this.#underWay--;
    if (error !== undefined) this.#fail(error);
    this.#noteUnwritten();
    // Those that end in the same turn are followed by one crossing.
    if (this.#isFillQueued) return;
    this.#isFillQueued = true;
    queueMicrotask(() => {
      this.#isFillQueued = false;
      const { dispatcher, concurrency, now } = this.#options;
      try {
        this.#fill();
        const isWanting = this.#underWay < concurrency || dispatcher.waiting <= this.#refillAt;
        if (this.#isWorthWriting() || isWanting && !this.#claim || now() >= this.#deadline) this.#bell.ring();
      } catch (error) {
        this.#fail(error);
        this.#bell.ring();
      }
    });
  };

  #noteUnwritten(): void {
    this.#writeAt = Math.min(this.#writeAt, this.#options.now() + LONGEST_UNWRITTEN_MS);
  }

  #isWorthWriting(): boolean {
    const { dispatcher, now } = this.#options;
    const { unwritten } = dispatcher;
    if (unwritten === 0) return false;
    const isLast = this.#underWay === 0 && dispatcher.waiting === 0;
    return unwritten >= WRITTEN_AT_ONCE || isLast || now() >= this.#writeAt || !this.#mayClaim();
  }

  /** One write at a time: what comes in meanwhile goes into the next one. */
  #write(): void {
    if (this.#writing) return;
    const { dispatcher, now } = this.#options;
    const mayClaim = this.#mayClaim();
    const isToGiveBack = dispatcher.waiting > 0 && (!mayClaim || now() >= this.#giveBackAt);
    if (!isToGiveBack && !this.#isWorthWriting()) return;
    const work = async () => {
      if (isToGiveBack) await this.#giveBack(!mayClaim);
      if (dispatcher.unwritten > 0) await this.#writeEnded();
    };
    this.#writing = work().catch((error) => this.#fail(error)).finally(() => {
      this.#writing = undefined;
      this.#bell.ring();
    });
  }

  async #giveBack(all: boolean): Promise<void> {
    const { dispatcher, store, now } = this.#options;
    this.#giveBackAt = now() + GIVE_BACK_MS;
    const { rows, count } = dispatcher.giveBack(all, now());
    if (count === 0) return;
    // Where the database is away already, their leases will end.
    const patience = this.#failure ? { ...this.#options, patienceMs: 0 } : this.#options;
    await persist(patience, () => store.giveBack(rows));
    this.#isDirty = true;
  }

  async #writeEnded(): Promise<void> {
    const { dispatcher, store, log, now } = this.#options;
    this.#writeAt = Infinity;
    const { updates, count, gone, opened, notReady } = dispatcher.conclude(now());
    logFailed(dispatcher, log);
    for (const endpoint of opened) log("warn", "breaker_opened", { endpoint });
    for (const { endpoint, error } of notReady) {
      // Once a run: a row tells it each time.
      if (this.#complaints.has(endpoint + error)) continue;
      this.#complaints.add(endpoint + error);
      log("error", "not_ready", { endpoint, error });
    }
    const { delivered, pending, failed } = await record(this.#options, { updates, count });
    this.#drained.delivered += delivered;
    this.#drained.retrying += pending;
    this.#drained.exhausted += failed;
    const superseded = count - delivered - pending - failed;
    if (superseded > 0) log("warn", "results_superseded", { count: superseded });
    this.#drained.superseded += superseded;
    const endpoints = gone.map((id) => ({ id, url: this.#urls.get(id) ?? "" }));
    const retired = endpoints.length > 0 ? await persist(this.#options, () => store.retire(endpoints)) : [];
    for (const endpoint of retired) log("warn", "endpoint_switched_off", { endpoint });
    if (opened.length > 0 || retired.length > 0) this.#tell();
    this.#isDirty = true;
  }

  /** Results do not wait for it; the run does. */
  #tell(): void {
    this.#telling ??= this.#options.onTrouble?.().then(() => {
      this.#telling = undefined;
      this.#isDirty = true;
      this.#bell.ring();
    });
  }

  #fail(error: unknown): undefined {
    this.#failure ??= { error };
  }

  #mayClaim(): boolean {
    const { now, stop } = this.#options;
    return !this.#failure && now() < this.#deadline && !stop?.aborted;
  }

  #isBusy(): boolean {
    const works = this.#claim ?? this.#writing ?? this.#telling;
    return this.#underWay > 0 || works !== undefined || this.#options.dispatcher.waiting > 0;
  }

  /** For how long nothing has to be written or given back. */
  #untilNextTurn(): number {
    const { dispatcher, now } = this.#options;
    if (this.#writing || this.#isStale) return Infinity;
    const giveBackAt = dispatcher.waiting > 0 ? this.#giveBackAt : Infinity;
    const writeAt = dispatcher.unwritten > 0 ? this.#writeAt : Infinity;
    const deadline = this.#mayClaim() ? this.#deadline : Infinity;
    return Math.max(0, Math.min(giveBackAt, writeAt, deadline) - now());
  }

  /** For how long it is worth waiting with nothing under way; undefined where it is not. */
  #idleWaitMs({ waitMs, paceMs }: Idle): number | undefined {
    const { retryWaitMs, pollMs, now } = this.#options;
    const soon = waitMs !== null && waitMs <= retryWaitMs ? waitMs : Infinity;
    const next = Math.min(soon, paceMs ?? Infinity, pollMs ?? Infinity);
    return now() + next < this.#deadline ? next : undefined;
  }
}
