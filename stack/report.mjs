/** What the gate did: a line a step, what failed in full, and the count at the end. */

import { output } from "./processes.mjs";
import { DENO_ENV } from "./programs.mjs";
import { Failure } from "./say.mjs";

export class Report {
  passed = 0;
  failed = 0;
  skipped = 0;
  #failures = [];

  part(name) {
    console.log(`\n== ${name}`);
  }

  skip(name, reason) {
    this.skipped++;
    console.log(`skipped  ${name}: ${reason}`);
  }

  /**
   * Runs a program that passes or fails as one.
   *
   * @param {{ cwd?: string, env?: Record<string, string>, show?: RegExp }} [options] `show`: lines of its output that
   * are worth showing; at least one must be there.
   */
  async step(name, program, args, { cwd, env, show } = {}) {
    const { status, text, seconds } = await timed(program, args, { cwd, env });
    const shown = show ? text.split("\n").filter((line) => show.test(line)) : [];
    const passed = status === 0 && (!show || shown.length > 0);
    this.#count(name, seconds, text, passed ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 });
    for (const line of shown) console.log(`         ${line.trim().slice(0, 160)}`);
  }

  /** Runs a program that counts its own tests; one that finds no test has failed. */
  async suite(name, program, args, counts, { cwd, env } = {}) {
    const { status, text, seconds } = await timed(program, args, { cwd, env });
    const { passed, failed } = counts(text);
    const broken = failed === 0 && (status !== 0 || passed === 0);
    this.#count(name, seconds, text, { passed, failed: broken ? 1 : failed });
  }

  /** A part that could not go on. */
  broke(name, error) {
    this.#count(`part ${name}`, "0", error instanceof Failure ? error.message : error.stack, {
      passed: 0,
      failed: 1,
    });
  }

  /** Runs a preparation: shown only if it fails. */
  async build(program, args) {
    const { status, text } = await timed(program, args, {});
    if (status !== 0) console.log(text.trim());
    return status === 0;
  }

  close() {
    for (const { name, text } of this.#failures) console.log(`\n---- ${name}\n${text.trim()}`);
    console.log(`\n${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`);
  }

  #count(name, seconds, text, { passed, failed }) {
    this.passed += passed;
    this.failed += failed;
    if (failed > 0) this.#failures.push({ name, text });
    const numbers = failed > 0 ? `${failed} of ${passed + failed} failed` : `${passed} passed`;
    console.log(`${failed > 0 ? "FAILED " : "ok     "}  ${name}: ${numbers} (${seconds} s)`);
  }
}

async function timed(program, args, { cwd, env }) {
  const start = performance.now();
  const result = await output(program, args, {
    ...(cwd && { cwd }),
    env: { ...process.env, ...DENO_ENV, ...env },
  });
  return { ...result, seconds: ((performance.now() - start) / 1000).toFixed(1) };
}
