/** What measurements say together: medians, ranges, and ratios within a round, since machines drift from round to round. */

/**
 * What one kind did in one round of a cell.
 *
 * @typedef {object} Measurement
 * @property {number} rate deliveries a second, by the call's own time
 * @property {number} seconds
 * @property {number} delivered
 * @property {boolean} isCut the time was over before all was delivered
 * @property {{ own: number, postgres: number, receiver: number }} cpu milliseconds for 1,000 deliveries
 *
 * @typedef {Record<string, Measurement>[]} Rounds by kind, a record a round
 */

/** More than this between the rounds of a baseline, and a machine was too noisy to tell: a part of the median. */
const MOST_SPREAD = 0.3;

/** @returns {{ median: number, least: number, most: number } | null} null where nothing was measured */
export function summary(values) {
  const sorted = values.filter(Number.isFinite).sort((one, other) => one - other);
  if (sorted.length === 0) return null;
  const middle = sorted.length / 2;
  const median = (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
  return { median, least: sorted[0], most: sorted.at(-1) };
}

/** The value below which this part of all is, from 0 to 1. */
export function quantile(values, part) {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)];
}

/** One figure of a kind, over the rounds. `figure` takes a measurement. */
export function over(rounds, kind, figure) {
  return summary(rounds.flatMap((round) => (round[kind] ? [figure(round[kind])] : [])));
}

/** One kind's figure as a ratio to another's, each within its round. */
export function ratio(rounds, kind, other, figure) {
  return summary(
    rounds.flatMap((
      round,
    ) => (round[kind] && round[other] ? [figure(round[kind]) / figure(round[other])] : [])),
  );
}

/** The baselines whose rates differ so much between rounds that the cell's figures mean little. */
export function noisyOf(rounds, kinds) {
  return kinds.filter((kind) => {
    const rate = over(rounds, kind, (one) => one.rate);
    return rate !== null && (rate.most - rate.least) / rate.median > MOST_SPREAD;
  });
}

export const rateOf = ({ rate }) => rate;
export const cpuOf = ({ cpu }) => cpu.own;
