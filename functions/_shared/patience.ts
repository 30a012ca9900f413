/**
 * An end to waiting for the database: a query on a connection that was cut at the wrong moment may never settle.
 *
 * @module
 */

/** More than any statement takes here, and less than what a run has left for its results. */
const LONGEST_ANSWER_MS = 8_000;

/** Settles as `query` does, or rejects when that takes too long. */
export async function answerOf<T>(query: Promise<T>, ms = LONGEST_ANSWER_MS): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const error = new Error(`the database did not answer within ${ms} ms`);
  const timer = setTimeout(() => reject(Object.assign(error, { code: "CONNECTION_SILENT" })), ms);
  try {
    return await Promise.race([query, promise]);
  } finally {
    clearTimeout(timer);
  }
}
