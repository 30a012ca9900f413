/**
 * Sends batches over whatever protocol: one request over HTTP, or the steps that the core asks for.
 *
 * @module
 */

import { decodeBase64, encodeBase64 } from "./base64.ts";
import type { Batch, Dispatcher, HttpRequest, KafkaRequest, Outcome, Task, TaskResult } from "./core.ts";
import type { SendHttp } from "./transport/http.ts";
import type { SendKafka } from "./transport/kafka.ts";

/** What came of a batch. */
export interface Sent {
  /** How each attempt ended, in their order; one end alone is that of all. */
  ends: Outcome[];
  /** The request that carried it last; null where there was none. */
  request: HttpRequest | KafkaRequest | null;
  /** The answer's headers, if it was HTTP's and they were asked for. */
  headers: Record<string, string>;
  durationMs: number;
}

/** Sends a batch within its time-out. Never rejects: what goes wrong is an outcome. */
export type Send = (batch: Batch, withHeaders?: boolean) => Promise<Sent>;

export interface SendOptions {
  dispatcher: Pick<Dispatcher, "next" | "prepare">;
  http: SendHttp;
  kafka: SendKafka;
  /** Milliseconds since 1970. */
  now: () => number;
}

export function createSend({ dispatcher, http, kafka, now }: SendOptions): Send {
  /** What is being found out just now: batches that need the same wait for it together. */
  const preparing = new Map<string, Promise<void>>();

  const carryOut = async (task: Exclude<Task, "done">, timeoutMs: number): Promise<TaskResult> => {
    if ("http" in task) return { end: (await http(task.http, timeoutMs)).outcome };
    const { pkcs8, text } = task.sign;
    try {
      return { signature: { text, signature: await sign(pkcs8, text) } };
    } catch (error) {
      return { unsigned: (error as Error).message };
    }
  };

  const prepare = async (key: string, timeoutMs: number) => {
    let given: TaskResult | null = null;
    while (true) {
      const task: Task = dispatcher.prepare(key, given, now());
      if (task === "done") return;
      given = await carryOut(task, timeoutMs);
    }
  };

  const prepareOnce = (key: string, timeoutMs: number) => {
    const known = preparing.get(key) ?? prepare(key, timeoutMs).finally(() => preparing.delete(key));
    preparing.set(key, known);
    return within(known, timeoutMs);
  };

  const bySteps = async (number: number, timeoutMs: number, withHeaders: boolean): Promise<Sent> => {
    const start = performance.now();
    const left = () => Math.max(1, Math.round(timeoutMs - (performance.now() - start)));
    let [request, headers]: [Sent["request"], Sent["headers"]] = [null, {}];
    let ends: Outcome[] | null = null;
    while (true) {
      const step = dispatcher.next(number, ends, now());
      if ("end" in step) {
        return { ends: step.end, request, headers, durationMs: Math.round(performance.now() - start) };
      }
      if ("prepare" in step) {
        const isOver = await prepareOnce(step.prepare, left());
        ends = isOver ? null : [{ timedOut: { afterMs: timeoutMs } }];
      } else if ("http" in step) {
        request = step.http;
        const exchange = await http(request, left(), withHeaders);
        [ends, headers] = [[exchange.outcome], exchange.headers];
      } else {
        request = step.kafka;
        ends = await kafka(request, left());
      }
    }
  };

  return async ({ carrier, timeoutMs }, withHeaders = false) => {
    if ("steps" in carrier) {
      return await bySteps(carrier.steps, timeoutMs, withHeaders).catch((error) => ({
        ends: [{ connectionFailed: { reason: `the request could not be made: ${error.message}` } }],
        request: null,
        headers: {},
        durationMs: 0,
      }));
    }
    const { outcome, headers, durationMs } = await http(carrier.request, timeoutMs, withHeaders);
    return { ends: [outcome], request: carrier.request, headers, durationMs };
  };
}

/** RSASSA-PKCS1-v1_5 with SHA-256; key and signature in base64. */
async function sign(pkcs8: string, text: string): Promise<string> {
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("pkcs8", decodeBase64(pkcs8), algorithm, false, ["sign"]);
  const signature = await crypto.subtle.sign(algorithm.name, key, new TextEncoder().encode(text));
  return encodeBase64(new Uint8Array(signature));
}

/** Whether it has ended within this time. */
async function within(work: Promise<void>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<boolean>((resolve) => timer = setTimeout(resolve, ms, false));
  try {
    return await Promise.race([work.then(() => true), over]);
  } finally {
    clearTimeout(timer);
  }
}
