/**
 * Requests alone: no table, no signature, always the same body; 100 at a time.
 *
 * @module
 */

import { CONCURRENCY } from "../baselines/send.ts";
import { serve, variable } from "../baselines/serve.ts";

export const urls: string[] = JSON.parse(variable("BENCH_URLS"));
/** An envelope of as many bytes as BENCH_BYTES says. */
export const body = `{"event":"bench","data":"${"x".repeat(Number(variable("BENCH_BYTES")) - 27)}"}`;

/** Serves a run of requests. `post` sends one and returns the answer's status, once the answer was read. */
export function serveRequests(post: (url: string) => Promise<number>): void {
  serve(async ({ rows }, isOver) => {
    let begun = 0;
    let taken = 0;
    const slot = async () => {
      while (begun < rows && !isOver()) {
        const status = await post(urls[begun++ % urls.length] ?? "");
        if (status === 200) taken++;
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, slot));
    return taken;
  });
}
