/**
 * `POST /functions/v1/webhook-dispatcher`: puts failed deliveries back if it is asked to, delivers what is due and
 * says what it did; or, asked to linger, answers at once and goes on.
 *
 * @module
 */

import { inBackground } from "../_shared/background.ts";
import { type Call, readCall, type Replay } from "../_shared/core.ts";
import { badRequest, guarded, type Handler, json, textOf, unauthorized } from "../_shared/respond.ts";
import type { Runtime } from "../_shared/runtime.ts";
import { type Replayed, TimeError } from "../_shared/store.ts";
import { createDispatch, type DispatchSummary, summaryOfNothing } from "./dispatch.ts";
import { linger } from "./linger.ts";

export type ReplaySummary = Omit<Replayed, "endpoints"> & { dry_run: boolean };

/** The answer to a call that delivers. */
export type DispatchAnswer = DispatchSummary & { replay?: ReplaySummary };

/** The answer, with status 202, to a call that lingers. */
export interface LingerAnswer {
  lingering: true;
  /** For how long it looks for due deliveries, in seconds. */
  linger_s: number;
  replay?: ReplaySummary;
}

export function createHandler(runtime: Runtime): Handler {
  const dispatch = createDispatch(runtime);
  const { timeBudgetMs } = runtime.settings;
  return runtime.traced((run) =>
    guarded(["POST"], runtime.log, async (request) => {
      if (!runtime.isAuthorized(request)) throw unauthorized();
      const { replay, lingerMs } = callIn(await textOf(request, MOST_BODY_BYTES));
      const replayed = replay && { replay: await putBack(runtime, replay) };
      if (lingerMs !== null) {
        inBackground(linger(runtime, dispatch, request, lingerMs));
        return json({ lingering: true, linger_s: lingerMs / 1_000, ...replayed } satisfies LingerAnswer, 202);
      }
      const summary = replay?.dryRun
        ? await summaryOfNothing(runtime)
        : await dispatch(run, { timeBudgetMs, pollMs: null });
      return json({ ...summary, ...replayed } satisfies DispatchAnswer);
    })
  );
}

/** A replay of 10,000 ids has 400 KB. */
const MOST_BODY_BYTES = 1_000_000;

function callIn(body: string): Call {
  try {
    return readCall(body);
  } catch (error) {
    throw badRequest(error as Error & { code: string });
  }
}

async function putBack(runtime: Runtime, replay: Replay): Promise<ReplaySummary> {
  const { endpoints, ...replayed } = await runtime.store().replay(replay).catch((error) => {
    throw error instanceof TimeError
      ? badRequest({ code: "invalid_field", message: `replay.from, replay.to: ${error.message}` })
      : error;
  });
  // Whoever replays believes that the receivers work again: their breakers are tried at once.
  for (const endpoint of endpoints) runtime.dispatcher.probe(endpoint);
  const summary = { ...replayed, dry_run: replay.dryRun };
  runtime.log("info", "replayed", summary);
  return summary;
}
