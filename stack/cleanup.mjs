/** What is to be undone at the end, in reverse order, also where the end comes in the middle of starting. */
export class Cleanup {
  #tasks = [];
  #running;

  /** Adds a task. Where the end has begun it is done at once, and whoever was starting something gives up. */
  async add(task) {
    if (this.#running) {
      await task();
      throw new Error("ended while starting");
    }
    this.#tasks.push(task);
  }

  /** Resolves when all is undone, for everybody who calls it. */
  run() {
    this.#running ??= this.#undo();
    return this.#running;
  }

  async #undo() {
    while (this.#tasks.length > 0) await this.#tasks.pop()();
  }
}

/** Ends a child process and resolves when it has ended. */
export async function end(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await ended;
}
