/** `npm run bench -- compare`: measures, shows tables, and says which goals are reached. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "../stack/processes.mjs";
import { say } from "../stack/say.mjs";
import { cellsOf } from "./cells.mjs";
import { chart } from "./chart.mjs";
import { noisyOf } from "./figures.mjs";
import { reached } from "./goals.mjs";
import { KINDS } from "./kinds.mjs";
import { measureAll } from "./measure.mjs";
import { cellTable, goalTable } from "./tables.mjs";

/** One after the other says little beside a latency, where it is one delivery at a time. */
const QUICK = {
  "0ms": ["naive", "strict", "pipelined", "ours"],
  slow: ["strict", "pipelined", "ours"],
};
const QUICK_OTHERS = ["pipelined", "ours"];

/** @param {import("../stack/cleanup.mjs").Cleanup} cleanup */
export async function compare(cleanup, options) {
  const { kinds, quick } = options;
  const dispatchers = Object.keys(KINDS).filter((kind) => !KINDS[kind].isCeiling);
  const kindsOf = (cell) => {
    if (kinds) return kinds;
    if (quick) return QUICK[cell.name] ?? QUICK_OTHERS;
    return cell.name.startsWith("0ms") ? Object.keys(KINDS) : dispatchers;
  };
  const cells = cellsOf(options);
  const results = await measureAll(cleanup, { ...options, cells, kindsOf });
  for (const result of results) console.log(cellTable(result));
  const goals = reached(results);
  if (goals.some(({ median }) => median !== null)) console.log(goalTable(goals));
  if (options.chart) {
    await writeFile(join(ROOT, "docs/bench.svg"), chart(results));
    say("docs/bench.svg is written");
  }
  return {
    ratios: Object.fromEntries(goals.map(({ name, median }) => [name, median])),
    goals,
    cells: results.map(({ cell, kinds, rounds, load }) => ({
      ...cell,
      load,
      noisy: noisyOf(rounds, kinds.filter((kind) => kind !== "ours")),
      rounds,
    })),
  };
}
