/** The figures as a picture: deliveries a second by condition, and what a delivery costs. */

import { over, rateOf } from "./figures.mjs";

const WIDTH = 760;
const LABELS = 90;
const BAR = 16;
const GAP = 4;
const GROUP_GAP = 34;
const COLOURS = { naive: "#9aa0a6", strict: "#7aa6c2", pipelined: "#3b7ea1", ours: "#d9622b" };
const KINDS = Object.keys(COLOURS);

/**
 * An SVG. A bar is the median of a kind, its line the range over the rounds; in each group the longest bar fills the
 * width.
 *
 * @param {{ cell: import("./cells.mjs").Cell, rounds: import("./figures.mjs").Rounds }[]} results
 * @returns {string}
 */
export function chart(results) {
  const groups = results.filter(({ cell }) => ["0ms", "50ms", "200ms", "slow"].includes(cell.name)).map(
    ({ cell, rounds }) => ({
      title: `deliveries/s, ${
        cell.isSlowMix ? "50 ms and every hundredth 2 s" : `receiver at ${cell.latencyMs} ms`
      }`,
      bars: barsOf(rounds, rateOf),
    }),
  );
  const first = results.find(({ cell }) => cell.name === "0ms");
  if (first) {
    const parts = [["dispatcher", "own"], ["PostgreSQL", "postgres"]];
    for (const [name, part] of parts) {
      groups.push({
        title: `CPU ms for 1,000 deliveries at 0 ms, ${name}`,
        bars: barsOf(first.rounds, (one) => one.cpu[part]),
      });
    }
  }
  const parts = [];
  let y = 8;
  for (const { title, bars } of groups) {
    parts.push(text(0, y + 13, title, "bold"));
    y += 22;
    const most = Math.max(...bars.map(({ figure }) => figure.most), 1);
    for (const { kind, figure } of bars) {
      parts.push(...barOf(y, kind, figure, (WIDTH - LABELS - 70) / most));
      y += BAR + GAP;
    }
    y += GROUP_GAP - 22;
  }
  const head =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" font-family="system-ui, sans-serif" font-size="13">`;
  return [head, `<rect width="100%" height="100%" fill="#fff"/>`, ...parts, "</svg>", ""].join("\n");
}

function barsOf(rounds, figure) {
  return KINDS.map((kind) => ({ kind, figure: over(rounds, kind, figure) })).filter((one) => one.figure);
}

function barOf(y, kind, { median, least, most }, scale) {
  const end = (value) => (LABELS + value * scale).toFixed(1);
  const middle = y + BAR / 2;
  return [
    text(12, y + 13, kind),
    `<rect x="${LABELS}" y="${y}" width="${(median * scale).toFixed(1)}" height="${BAR}" fill="${
      COLOURS[kind]
    }"/>`,
    `<path d="M${end(least)} ${middle}H${end(most)}" stroke="#202124" stroke-width="1.5"/>`,
    text(Number(end(most)) + 8, y + 13, String(Math.round(median))),
  ];
}

function text(x, y, content, weight = "normal") {
  return `<text x="${x}" y="${y}" font-weight="${weight}" fill="#202124">${content}</text>`;
}
