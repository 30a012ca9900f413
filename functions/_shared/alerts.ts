/**
 * Says what is the matter: inserts the alerts that are due, and sends them where no dispatcher does.
 *
 * @module
 */

import type { AlertScope, Dispatcher } from "./core.ts";
import { logFailed, logServed } from "./journal.ts";
import type { Log } from "./log.ts";
import { answerOf } from "./patience.ts";
import type { Send } from "./send.ts";
import type { Store } from "./store.ts";

export interface Alerting {
  store: Pick<Store, "raiseAlerts">;
  log: Log;
}

export interface AlertSender {
  store: Pick<Store, "claimAlerts" | "record" | "retire">;
  dispatcher: Pick<Dispatcher, "plan" | "settle" | "takeFailed" | "takeServed">;
  send: Send;
  log: Log;
  /** Milliseconds since 1970. */
  now: () => number;
}

/** Inserts what is due; returns how many deliveries that makes. What goes wrong is logged: it must not end a run. */
export async function raise({ store, log }: Alerting, scope: AlertScope): Promise<number> {
  try {
    const { alerts, deliveryIds } = await answerOf(store.raiseAlerts(scope));
    for (const { cause, state, endpoint } of alerts) {
      log("warn", "alert", {
        cause,
        state,
        endpoint: endpoint?.id ?? null,
        receivers: deliveryIds.length / alerts.length,
      });
    }
    return deliveryIds.length;
  } catch (error) {
    log("error", "alerts_failed", { error: (error as Error).message });
    return 0;
  }
}

/** How many alerts one call sends. */
const MOST_SENT = 20;

/** Sends the alerts that are due. The dispatcher does so by itself; this is for whoever notices that none runs. */
export async function sendAlerts({ store, dispatcher, send, log, now }: AlertSender): Promise<void> {
  try {
    const rows = await store.claimAlerts(MOST_SENT);
    if (rows.length === 0) return;
    const plan = dispatcher.plan(rows, now());
    const outcomes = await Promise.all(plan.batches.map(async (batch) => {
      const { endpointId, attempts } = batch;
      const { ends, durationMs } = await send(batch);
      return { endpointId, attempts, ends, durationMs };
    }));
    const { updates, gone } = dispatcher.settle(outcomes, now());
    await store.record([...plan.refused, ...updates]);
    const urlOf = (id: string) => rows.find(({ endpoint_id }) => endpoint_id === id)?.url ?? "";
    if (gone.length > 0) await store.retire(gone.map((id) => ({ id, url: urlOf(id) })));
    logFailed(dispatcher, log);
    logServed(dispatcher, log);
  } catch (error) {
    log("error", "alerts_failed", { error: (error as Error).message });
  }
}
