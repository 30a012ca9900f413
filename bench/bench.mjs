/**
 * `npm run bench`: how much is delivered, and what it costs. See `--help` and docs/bench.md.
 */

import { cpus } from "node:os";
import { Cleanup } from "../stack/cleanup.mjs";
import { endLeftovers, forget, note } from "../stack/leftovers.mjs";
import { denoPath } from "../stack/programs.mjs";
import { run, say } from "../stack/say.mjs";
import { setUp } from "../stack/setup.mjs";
import { HELP, readOptions } from "./options.mjs";

/** What needs packages is imported once they are there. */
const COMMANDS = {
  compare: () => import("./comparison.mjs"),
  cold: () => import("./cold.mjs"),
  latency: () => import("./latency.mjs"),
  linger: () => import("./latency.mjs"),
  growth: () => import("./growth.mjs"),
};

await run(async () => {
  const options = readOptions(process.argv.slice(2));
  if (options.help) return console.log(HELP);
  const cleanup = new Cleanup();
  let isEnding = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, async () => {
      if (isEnding) return;
      isEnding = true;
      say("stopping");
      // What is under way fails when its processes go, and nobody waits for it any more.
      process.on("unhandledRejection", () => {});
      await cleanup.run();
      process.exit(1);
    });
  }
  try {
    await setUp();
    await endLeftovers();
    await cleanup.add(forget);
    const parts = { ...options, deno: await denoPath(options.deno), onSpawn: note };
    const { [options.command]: command } = await COMMANDS[options.command]();
    say(`${machine()}; Deno: ${options.deno}`);
    const result = await command(cleanup, parts);
    if (options.json) console.log(JSON.stringify({ machine: machine(), deno: options.deno, ...result }));
  } catch (error) {
    if (!isEnding) throw error;
  } finally {
    await cleanup.run();
  }
});

function machine() {
  const all = cpus();
  return `${all.length} × ${all[0]?.model.trim() ?? "an unknown processor"}, Node ${process.version}`;
}
