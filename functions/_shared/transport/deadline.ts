/**
 * The time that something may take.
 *
 * @module
 */

/** Runs from its making until `clear`. */
export class Deadline {
  isOver = false;
  /** Called when the time is over: it ends what is under way. */
  onOver: () => void = nothing;
  readonly #message: string;
  readonly #alarm: Alarm;

  /** `message` is that of the error that `within` rejects with. */
  constructor(ms: number, message: string) {
    this.#message = message;
    this.#alarm = alarmOf(ms);
    this.#alarm.add(this, performance.now() + ms);
  }

  /** Settles as `work` does, unless the time is over before. One at a time. */
  within<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.onOver = () => reject(new Error(this.#message));
      if (this.isOver) this.onOver();
      work.then(resolve, reject);
    });
  }

  clear(): void {
    this.#alarm.delete(this);
    this.onOver = nothing;
  }
}

function nothing(): void {}

/**
 * All deadlines of the same length: they are over in the order of their making, so that one timer serves them all. A timer
 * for each would cost more than sending a request.
 */
class Alarm {
  readonly #ms: number;
  readonly #ends = new Map<Deadline, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ms: number) {
    this.#ms = ms;
  }

  add(deadline: Deadline, end: number): void {
    this.#ends.set(deadline, end);
    this.#timer ??= setTimeout(() => this.#ring(), this.#ms);
  }

  delete(deadline: Deadline): void {
    this.#ends.delete(deadline);
    if (this.#ends.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    alarms.delete(this.#ms);
  }

  #ring(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const [deadline, end] of this.#ends) {
      // Timers may come a little early.
      if (end - now >= 1) {
        this.#timer = setTimeout(() => this.#ring(), end - now);
        return;
      }
      this.#ends.delete(deadline);
      deadline.isOver = true;
      deadline.onOver();
    }
    if (this.#ends.size === 0) alarms.delete(this.#ms);
  }
}

/** Those that have deadlines, by their length. */
const alarms = new Map<number, Alarm>();

function alarmOf(ms: number): Alarm {
  let alarm = alarms.get(ms);
  if (!alarm) alarms.set(ms, alarm = new Alarm(ms));
  return alarm;
}
