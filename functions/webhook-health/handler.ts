/**
 * `GET /functions/v1/webhook-health`: is it well? The numbers are open to all, names only to callers with a key.
 *
 * @module
 */

import { judgeHealth } from "../_shared/core.ts";
import { guardedForBrowsers, type Handler, json } from "../_shared/respond.ts";
import type { Runtime } from "../_shared/runtime.ts";

export function createHandler(runtime: Runtime): Handler {
  return guardedForBrowsers(["GET", "HEAD"], runtime.log, async (request) => {
    const facts = await runtime.store().healthFacts();
    const report = judgeHealth(facts, runtime.settings, runtime.isAuthorized(request));
    // 503 lets any uptime service tell without reading the body.
    return json(report, report.healthy ? 200 : 503);
  });
}
