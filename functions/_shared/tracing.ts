/**
 * Spans of what a function does, exported by OTLP over HTTP where OpenTelemetry's variables say so. The core makes and
 * writes them; here is measured when things begin and end. Where nothing is exported, nothing is measured.
 *
 * @module
 */

import { inBackground, isBackgroundKept } from "./background.ts";
import { type Carry, createBatchCarry } from "./carry.ts";
import {
  type ClaimedRow,
  type Dispatcher,
  type Plan,
  readTraceSettings,
  rejectedSpans,
  RunTrace,
  type SpanExport,
} from "./core.ts";
import type { Variable } from "./env.ts";
import type { Fields, Log } from "./log.ts";
import type { Handler } from "./respond.ts";
import type { Send } from "./send.ts";
import type { Store } from "./store.ts";

/** What does the work of a run. */
export interface Parts {
  store: Store;
  dispatcher: Dispatcher;
  send: Send;
  carry: Carry;
}

/** One request's work. */
export interface Run {
  /** The same parts; they tell what they do. */
  traced: (parts: Parts) => Parts;
  /** The run's span, for what it causes; null where nothing is traced. */
  traceparent: string | null;
}

/** Makes a handler of what makes one for each run. */
export type Traced = (handlerOf: (run: Run) => Handler) => Handler;

export interface TracingOptions {
  functionName: string;
  variable: Variable;
  log: Log;
  newId: () => string;
}

/** How many spans one request carries. */
const MOST_SPANS_A_REQUEST = 512;

export function createTracing(options: TracingOptions): Traced {
  const settings = readTraceSettings(options.variable);
  for (const error of settings.errors) options.log("warn", "setting_ignored", { error });
  const target = settings.export;
  if (!target) return (handlerOf) => handlerOf({ traced: (parts) => parts, traceparent: null });
  return (handlerOf) => async (request) => {
    const run = new TracedRun(request, target, options);
    const finish = async (status: number) => {
      const end = run.end(status);
      if (isBackgroundKept()) inBackground(end);
      else await end;
    };
    let answer: Response;
    try {
      answer = await handlerOf(run)(request);
    } catch (error) {
      await finish(500);
      throw error;
    }
    await finish(answer.status);
    return answer;
  };
}

class TracedRun implements Run {
  readonly traceparent: string;
  readonly #trace: RunTrace;
  readonly #exporter: Exporter;
  readonly #log: Log;
  readonly #clock = createClock();

  constructor(request: Request, target: SpanExport, { functionName, variable, log, newId }: TracingOptions) {
    const { protocol, pathname } = new URL(request.url);
    this.#trace = new RunTrace({
      id: newId(),
      traceparent: request.headers.get("traceparent"),
      function: functionName,
      method: request.method,
      scheme: protocol.slice(0, -1),
      path: pathname,
      startMs: this.#clock(),
    }, variable);
    this.traceparent = this.#trace.traceparent();
    this.#exporter = new Exporter(this.#trace, target);
    this.#log = log;
  }

  readonly traced = ({ store, dispatcher, send }: Omit<Parts, "carry">): Parts => {
    const trace = this.#trace;
    const claimed = (rows: ClaimedRow[], areNew: boolean, startMs: number) =>
      this.#note(() =>
        trace.claimed(
          rows.map(({ id, event_type, endpoint_id, url }) => ({ id, event_type, endpoint_id, url })),
          areNew,
          startMs,
          this.#clock(),
        )
      );
    const watchedPlan = (planned: () => Plan): Plan => {
      const startMs = this.#clock();
      const plan = planned();
      const refused = plan.refused.map(({ id }) => id);
      this.#note(() => trace.planned(plan.batches.length, refused, startMs, this.#clock()));
      return plan;
    };
    const planTest: Dispatcher["planTest"] = (...given) => watchedPlan(() => dispatcher.planTest(...given));
    const beginBatches: Dispatcher["beginBatches"] = (...given) => {
      const startMs = this.#clock();
      const begun = dispatcher.beginBatches(...given);
      this.#note(() => trace.planned(begun.batches.length, begun.refused, startMs, this.#clock()));
      return begun;
    };
    // All but these is the dispatcher's own.
    const own = { planTest: { value: planTest }, beginBatches: { value: beginBatches } };
    const watched: Dispatcher = Object.create(dispatcher, own);
    const watchedSend: Send = async (batch, withHeaders) => {
      const startMs = this.#clock();
      const sent = await send(batch, withHeaders);
      const { endpointId, attempts } = batch;
      const { ends, durationMs } = sent;
      this.#note(() => trace.sent({ endpointId, attempts, ends, durationMs }, startMs, this.#clock()));
      this.#exporter.poke();
      return sent;
    };
    return {
      store: {
        ...store,
        claim: async (...given) => {
          const startMs = this.#clock();
          const rows = await this.#watched("claim", startMs, store.claim(...given));
          claimed(rows, false, startMs);
          return rows;
        },
        insertClaimed: async (target) => {
          const startMs = this.#clock();
          const rows = await this.#watched("insert", startMs, store.insertClaimed(target));
          claimed(rows, true, startMs);
          return rows;
        },
        record: async (updates) => {
          const startMs = this.#clock();
          const written = await this.#watched("record", startMs, store.record(updates));
          this.#note(() => trace.recorded(updates.length, startMs, this.#clock()));
          return written;
        },
        write: async (updates) => {
          const startMs = this.#clock();
          const written = await this.#watched("record", startMs, store.write(updates));
          const { pending, delivered, failed } = written;
          this.#note(() => trace.recorded(pending + delivered + failed, startMs, this.#clock()));
          return written;
        },
      },
      dispatcher: watched,
      send: watchedSend,
      // What is told of each delivery needs it as an object.
      carry: createBatchCarry({ dispatcher: watched, send: watchedSend, now: Date.now }),
    };
  };

  /** Exports what has not been yet. Never rejects. */
  async end(status: number): Promise<void> {
    this.#note(() => this.#trace.end(status, this.#clock()));
    const lost = await this.#exporter.finish();
    if (lost) this.#log("warn", "traces_not_exported", lost);
    const { dropped } = this.#trace;
    if (dropped > 0) this.#log("warn", "spans_dropped", { count: dropped });
    this.#trace.free();
  }

  /** A statement's answer; its failure is told, too. */
  async #watched<T>(statement: string, startMs: number, answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      const { code, name } = error as Error & { code?: unknown };
      this.#note(() => this.#trace.failed(statement, String(code ?? name), startMs, this.#clock()));
      throw error;
    }
  }

  /** No delivery is to suffer for its span. */
  #note(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.#log("error", "span_failed", { error: (error as Error).message });
    }
  }
}

/** Posts a run's spans: one request at a time, and what goes wrong is kept for the end. */
class Exporter {
  readonly #trace: RunTrace;
  readonly #target: SpanExport;
  #sending: Promise<void> | undefined;
  #lost: Fields | undefined;
  #lostSpans = 0;

  constructor(trace: RunTrace, target: SpanExport) {
    this.#trace = trace;
    this.#target = target;
  }

  /** Sends what fills a request in the background. After a failure nothing more is sent before the end. */
  poke(): void {
    if (this.#sending || this.#lost || this.#trace.waiting < MOST_SPANS_A_REQUEST) return;
    const signal = AbortSignal.timeout(this.#target.timeoutMs);
    this.#sending = this.#send(signal).then(() => void (this.#sending = undefined));
  }

  /** Sends the rest within one request's time; returns what was lost and why. */
  async finish(): Promise<Fields | undefined> {
    // One time-out for all that is left, what is under way included.
    const signal = AbortSignal.timeout(this.#target.timeoutMs);
    await this.#sending;
    let isWell = true;
    while (isWell && this.#trace.waiting > 0) isWell = await this.#send(signal);
    this.#lostSpans += this.#trace.waiting;
    return this.#lost && { ...this.#lost, spans: this.#lostSpans };
  }

  /** Never rejects. */
  async #send(signal: AbortSignal): Promise<boolean> {
    const { url, headers } = this.#target;
    const spans = Math.min(this.#trace.waiting, MOST_SPANS_A_REQUEST);
    try {
      const answer = await fetch(url, {
        method: "POST",
        headers: [...headers, ["content-type", "application/json"]],
        body: this.#trace.take(MOST_SPANS_A_REQUEST),
        // Where a redirect leads, the headers are nobody's business.
        redirect: "manual",
        signal,
      });
      const text = await answer.text();
      const rejected = answer.ok ? rejectedSpans(text) : spans;
      if (rejected > 0) this.#lose(rejected, { status: answer.status });
      return answer.ok;
    } catch (error) {
      // Its message may show the URL, which may hold a token.
      this.#lose(spans, { error: (error as Error).name });
      return false;
    }
  }

  #lose(spans: number, why: Fields): void {
    this.#lostSpans += spans;
    this.#lost ??= why;
  }
}

/** Milliseconds since 1970, with a fraction: a clock that is not set while it runs. */
function createClock(): () => number {
  const offset = Date.now() - performance.now();
  return () => offset + performance.now();
}
