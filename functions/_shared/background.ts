/**
 * Work that goes on after the answer.
 *
 * @module
 */

interface Platform {
  /** Keeps the isolate until the work is done, where the platform would end it. */
  EdgeRuntime?: { waitUntil: (work: Promise<unknown>) => void };
}

/** Whether the platform goes on with work after the answer. Elsewhere the process lives on anyway. */
export function isBackgroundKept(): boolean {
  return (globalThis as Platform).EdgeRuntime !== undefined;
}

/** `work` must not reject. */
export function inBackground(work: Promise<void>): void {
  (globalThis as Platform).EdgeRuntime?.waitUntil(work);
}
