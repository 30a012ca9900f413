/**
 * The time that something may take.
 *
 * @module
 */

/** Runs from its making until `clear`. */
export class Deadline {
  isOver = false;
  /** Called when the time is over: it ends what is under way. */
  onOver = () => {};
  readonly #error: Error;
  readonly #timer: ReturnType<typeof setTimeout>;

  /** `error` is what `within` rejects with. */
  constructor(ms: number, error: Error) {
    this.#error = error;
    this.#timer = setTimeout(() => {
      this.isOver = true;
      this.onOver();
    }, ms);
  }

  /** Settles as `work` does, unless the time is over before. One at a time. */
  within<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.onOver = () => reject(this.#error);
      if (this.isOver) this.onOver();
      work.then(resolve, reject);
    });
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.onOver = () => {};
  }
}
