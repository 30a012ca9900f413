/** What is to be reached, and whether it was. */

import { limitOf } from "./cells.mjs";
import { cpuOf, over, rateOf, ratio } from "./figures.mjs";

/** CPU of svix-server's own process (release build, memory queue, 10 endpoints), measured once: ms for 1,000 deliveries. */
const SVIX_CPU_MS = 443;

/**
 * `of` takes a cell and its rounds, and gives median and range; `least` or `most` is the goal for the median.
 */
const GOALS = [
  {
    name: "rate_0ms_vs_naive",
    what: "deliveries/s at 0 ms ÷ one after the other",
    cell: "0ms",
    of: (_cell, rounds) => ratio(rounds, "ours", "naive", rateOf),
    least: 10,
  },
  {
    name: "rate_0ms_vs_pipelined",
    what: "deliveries/s at 0 ms ÷ pipelined TypeScript",
    cell: "0ms",
    of: (_cell, rounds) => ratio(rounds, "ours", "pipelined", rateOf),
    least: 1.5,
  },
  {
    name: "efficiency_50ms",
    what: "deliveries/s at 50 ms ÷ (concurrency 100 ÷ latency)",
    cell: "50ms",
    of: efficiency,
    least: 0.85,
  },
  {
    name: "efficiency_200ms",
    what: "deliveries/s at 200 ms ÷ (concurrency 100 ÷ latency)",
    cell: "200ms",
    of: efficiency,
    least: 0.93,
  },
  {
    name: "slow_mix_vs_strict",
    what: "deliveries/s in the slow mix ÷ strict TypeScript",
    cell: "slow",
    of: (_cell, rounds) => ratio(rounds, "ours", "strict", rateOf),
    least: 4,
  },
  {
    name: "cpu_vs_pipelined",
    what: "CPU of a delivery at 0 ms ÷ pipelined TypeScript",
    cell: "0ms",
    of: (_cell, rounds) => ratio(rounds, "ours", "pipelined", cpuOf),
    most: 0.5,
  },
  {
    name: "cpu_vs_svix",
    what: `CPU of a delivery at 0 ms ÷ svix-server's ${SVIX_CPU_MS} ms for 1,000, measured elsewhere`,
    cell: "0ms",
    of: (_cell, rounds) => over(rounds, "ours", (one) => one.cpu.own / SVIX_CPU_MS),
    most: 0.25,
  },
];

/**
 * @param {{ cell: import("./cells.mjs").Cell, rounds: import("./figures.mjs").Rounds }[]} results
 * @returns {{ name: string, what: string, goal: string, median: number | null, least: number | null,
 *   most: number | null, reached: boolean | null }[]} null where the run has not measured it
 */
export function reached(results) {
  return GOALS.map(({ name, what, cell, of, least, most }) => {
    const result = results.find((one) => one.cell.name === cell);
    const value = result ? of(result.cell, result.rounds) : null;
    const goal = least === undefined ? `≤ ${most}` : `≥ ${least}`;
    const isReached = value && (least === undefined ? value.median <= most : value.median >= least);
    const { median = null, least: lowest = null, most: highest = null } = value ?? {};
    return { name, what, goal, median, least: lowest, most: highest, reached: isReached };
  });
}

function efficiency(cell, rounds) {
  return over(rounds, "ours", (one) => one.rate / limitOf(cell));
}
