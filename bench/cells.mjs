/** The conditions under which all kinds are measured. */

import { Failure } from "../stack/say.mjs";
import { CONCURRENCY } from "./kinds.mjs";

/**
 * @typedef {object} Cell
 * @property {string} name as it is written: LATENCY/ENDPOINTS/KIB/plain or tls
 * @property {number} latencyMs the receiver's
 * @property {boolean} isSlowMix every hundredth delivery goes to one more endpoint, which takes `SLOW_MS`
 * @property {number} endpoints
 * @property {number} bytes an envelope's
 * @property {boolean} tls
 * @property {number} rows
 */

/** What the slow endpoint of the slow mix takes, in milliseconds. */
export const SLOW_MS = 2_000;

const BASE = { endpoints: 10, kib: 1, tls: false };
const QUICK = ["0ms", "50ms", "200ms", "slow"];
/** One condition at a time differs from the quick ones; `--cells` takes any combination. */
const FULL = [
  ...QUICK,
  ...["0ms/1", "0ms/100", "50ms/1", "50ms/100"],
  ...["0ms/10/10", "0ms/10/256"],
  ...["0ms/10/1/tls", "50ms/10/1/tls"],
];

/** @returns {Cell[]} */
export function cellsOf({ quick, cells, rows }) {
  return (cells ?? (quick ? QUICK : FULL)).map((name) => {
    const cell = parse(name);
    return { ...cell, rows: rows ?? rowsOf(cell) };
  });
}

/** Deliveries a second that a concurrency of 100 allows at this latency; infinite at none. */
export function limitOf({ latencyMs }) {
  return CONCURRENCY / (latencyMs / 1_000);
}

function parse(name) {
  const [latency, endpoints, kib, wire] = name.split("/");
  const wrong = () => {
    throw new Failure(
      `--cells: expected LATENCY/ENDPOINTS/KIB/plain|tls like 50ms/10/1/tls, or slow; got ${name}`,
    );
  };
  const number = (text, byDefault) => {
    if (text === undefined) return byDefault;
    return /^[1-9]\d*$/.test(text) ? Number(text) : wrong();
  };
  if (wire !== undefined && wire !== "tls" && wire !== "plain") wrong();
  const [, ms] = /^(\d+)ms$/.exec(latency) ?? (latency === "slow" ? [null, "50"] : wrong());
  return {
    name,
    latencyMs: Number(ms),
    isSlowMix: latency === "slow",
    endpoints: number(endpoints, BASE.endpoints),
    bytes: 1_024 * number(kib, BASE.kib),
    tls: wire === "tls",
  };
}

/** So many that the fast kinds take some seconds. */
function rowsOf({ latencyMs, isSlowMix, bytes }) {
  if (isSlowMix) return 6_000;
  const byLatency = latencyMs === 0 ? 24_000 : 3 * limitOf({ latencyMs });
  // 100 MB, so that it fits in memory everywhere.
  return Math.round(Math.min(byLatency, 100_000_000 / bytes));
}
