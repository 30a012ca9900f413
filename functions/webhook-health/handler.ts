/**
 * `GET /functions/v1/webhook-health`: is it well? The numbers are open to all, names only to callers with a key.
 *
 * @module
 */

import { raise, sendAlerts } from "../_shared/alerts.ts";
import { judgeHealth } from "../_shared/core.ts";
import { guardedForBrowsers, type Handler, json } from "../_shared/respond.ts";
import type { Runtime } from "../_shared/runtime.ts";

export function createHandler(runtime: Runtime): Handler {
  return guardedForBrowsers(["GET", "HEAD"], runtime.log, async (request) => {
    const store = runtime.store();
    const facts = await store.healthFacts();
    const report = judgeHealth(facts, runtime.settings, runtime.isAuthorized(request));
    // Whoever calls from outside is the only one left who can tell.
    if (report.reasons.some(({ code }) => code === "dispatcher_not_running")) {
      await raise({ store, log: runtime.log }, "dispatcher");
      await sendAlerts({ ...runtime, store });
      runtime.closeConnections();
    }
    // 503 lets any uptime service tell without reading the body.
    return json(report, report.healthy ? 200 : 503);
  });
}
