/**
 * What many may ask for at once, and what it costs to find out.
 *
 * @module
 */

/**
 * Keeps what `load` gives for `keepMs` from the time of the question: those who ask meanwhile share it, also while it is
 * under way. A failure is shared by those who wait for it, and not kept.
 *
 * @param now milliseconds since 1970
 */
export function keptBriefly<T>(load: () => Promise<T>, keepMs: number, now: () => number): () => Promise<T> {
  let kept: { value: Promise<T>; isUnderWay: boolean; until: number } | undefined;
  return async () => {
    // A clock that was set back must not keep a value for long.
    const isFresh = kept && now() < kept.until && kept.until <= now() + keepMs;
    if (kept && (kept.isUnderWay || isFresh)) return await kept.value;
    const mine = { value: load(), isUnderWay: true, until: now() + keepMs };
    kept = mine;
    try {
      return await mine.value;
    } catch (error) {
      kept = undefined;
      throw error;
    } finally {
      mine.isUnderWay = false;
    }
  };
}
