/**
 * What all that is measured has in common: it listens, and each call is one run.
 *
 * @module
 */

/** What a call asks for; `rows` counts for those that have no table to look into. */
export interface Call {
  rows: number;
}

/** Delivers until nothing is due or the time is over; returns how many deliveries a receiver took. */
export type Run = (call: Call, deadline: Deadline) => Promise<number>;

/** Whether the run's time is over: what was not begun by then stays where it is. */
export type Deadline = () => boolean;

/** Listens on PORT. BENCH_BUDGET_MS is how long a run goes on, in milliseconds. */
export function serve(run: Run): void {
  const budgetMs = Number(variable("BENCH_BUDGET_MS"));
  Deno.serve({ hostname: "127.0.0.1", port: Number(variable("PORT")) }, async (request) => {
    const call: Call = await request.json();
    const end = performance.now() + budgetMs;
    return Response.json({ processed: await run(call, () => performance.now() >= end) });
  });
}

export function variable(name: string): string {
  const value = Deno.env.get(name);
  if (value === undefined) throw new Error(`${name} is not set: npm run bench sets it`);
  return value;
}
