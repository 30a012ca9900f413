/**
 * Waiting for something to happen, or for time to pass.
 *
 * @module
 */

export interface Bell {
  /** What rings from now on counts. */
  reset: () => void;
  ring: () => void;
  /** Resolves at the first ring since the reset, or once `ms` milliseconds have passed: then to true. */
  within: (ms: number) => Promise<boolean>;
  close: () => void;
}

/** A bell that rings when the signal is aborted, too. */
export function createBell(stop?: AbortSignal): Bell {
  let rung = Promise.withResolvers<boolean>();
  const ring = () => rung.resolve(false);
  stop?.addEventListener("abort", ring);
  return {
    ring,
    reset: () => {
      rung = Promise.withResolvers();
    },
    within: async (ms) => {
      const timer = setTimeout(rung.resolve, ms, true);
      try {
        return await rung.promise;
      } finally {
        clearTimeout(timer);
      }
    },
    close: () => stop?.removeEventListener("abort", ring),
  };
}
