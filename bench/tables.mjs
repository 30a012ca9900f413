/** What a run shows at its end. */

import { cpuOf, noisyOf, over, rateOf, ratio } from "./figures.mjs";
import { KINDS } from "./kinds.mjs";

/** One cell: a line a kind. */
export function cellTable({ cell, kinds, rounds, load }) {
  const rows = kinds.map((kind) => {
    const rate = over(rounds, kind, rateOf);
    const cpu = (part) => round(over(rounds, kind, (one) => one.cpu[part]).median);
    const ours = kind === "ours" ? null : ratio(rounds, "ours", kind, rateOf);
    const oursCpu = kind === "ours" ? null : ratio(rounds, "ours", kind, cpuOf);
    return [
      `${kind}: ${KINDS[kind].what}`,
      `${round(rate.median)} (${round(rate.least)}–${round(rate.most)})`,
      cpu("own"),
      cpu("postgres"),
      cpu("receiver"),
      ours ? withRange(ours) : "–",
      oursCpu ? withRange(oursCpu) : "–",
    ];
  });
  const head = ["kind", "deliveries/s (range)", "CPU", "PostgreSQL", "receiver", "ours ÷ it, rate", "CPU"];
  const noisy = noisyOf(rounds, kinds.filter((kind) => kind !== "ours"));
  return [
    "",
    `${describe(cell)}, load average up to ${load.toFixed(1)}`,
    aligned([head, ...rows]),
    ...(noisy.length > 0
      ? [`Too noisy to tell: ${noisy.join(", ")} differed by more than 30 % between rounds.`]
      : []),
  ].join("\n");
}

export function goalTable(goals) {
  const measured = goals.filter(({ median }) => median !== null);
  const rows = measured.map((one) => [
    one.what,
    withRange(one),
    one.goal,
    one.reached ? "reached" : "not reached",
  ]);
  return `\n${aligned([["figure", "median (range)", "goal", ""], ...rows])}`;
}

/** Columns as wide as their widest cell. */
export function aligned(rows) {
  const widths = rows[0].map((_, at) => Math.max(...rows.map((row) => row[at].length)));
  return rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at])).join("  ").trimEnd()).join("\n");
}

export function describe({ latencyMs, isSlowMix, endpoints, bytes, tls, rows }) {
  const latency = isSlowMix ? `${latencyMs} ms, every hundredth at 2 s` : `${latencyMs} ms`;
  const wire = tls ? "TLS" : "plain";
  return `${latency}; ${endpoints} endpoints, ${bytes / 1_024} KiB, ${wire}, ${rows} deliveries`;
}

function withRange({ median, least, most }) {
  return `${two(median)} (${two(least)}–${two(most)})`;
}

function two(value) {
  return value >= 100 ? round(value) : String(Number(value.toPrecision(3)));
}

function round(value) {
  return String(Math.round(value));
}
