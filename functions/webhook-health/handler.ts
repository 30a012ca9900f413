/**
 * `GET /functions/v1/webhook-health`: is it well? The numbers are open to all, endpoints only to callers with a key.
 *
 * @module
 */

import { raise, sendAlerts } from "../_shared/alerts.ts";
import { keptBriefly } from "../_shared/briefly.ts";
import {
  type EndpointFigures,
  type HealthFacts,
  healthMetrics,
  healthMetricsType,
  judgeHealth,
  readHealthFormat,
} from "../_shared/core.ts";
import { badRequest, guardedForBrowsers, type Handler, json, text } from "../_shared/respond.ts";
import type { Runtime } from "../_shared/runtime.ts";

/** Anybody may ask, as often as they like: an isolate looks into the tables so often for callers without a key. */
const KEEP_MS = 5_000;

export function createHandler(runtime: Runtime): Handler {
  const { settings, log } = runtime;
  const load = () => factsOf(runtime);
  const keptFacts = keptBriefly(load, KEEP_MS, runtime.now);
  return guardedForBrowsers(["GET", "HEAD"], log, async (request) => {
    const format = formatOf(request);
    const isAuthorized = runtime.isAuthorized(request);
    const facts = isAuthorized ? await load() : await keptFacts();
    const endpoints: EndpointFigures[] | undefined = isAuthorized
      ? await runtime.store().endpointFigures()
      : undefined;
    // Whoever scrapes wants the figures above all when something is wrong.
    if (format === "prometheus") return text(healthMetrics(facts, settings, endpoints), healthMetricsType());
    const report = judgeHealth(facts, settings, endpoints);
    // 503 lets any uptime service tell without reading the body.
    return json(report, report.healthy ? 200 : 503);
  });
}

function formatOf(request: Request) {
  try {
    return readHealthFormat(new URL(request.url).searchParams.get("format"));
  } catch (error) {
    throw badRequest(error as Error & { code: string });
  }
}

/** What the tables say. Where no dispatcher runs, whoever asks from outside is the only one left to send an alert. */
async function factsOf(runtime: Runtime): Promise<HealthFacts> {
  const store = runtime.store();
  const facts = await store.healthFacts();
  const { reasons } = judgeHealth(facts, runtime.settings);
  if (reasons.some(({ code }) => code === "dispatcher_not_running")) {
    await raise({ store, log: runtime.log }, "dispatcher");
    await sendAlerts({ ...runtime, store });
    runtime.closeConnections();
  }
  return facts;
}
