/** `npm run bench -- cold`: from the start of a process to the first byte at a receiver, step by step. */

import { join } from "node:path";
import { createKeys, functionEnv } from "../stack/functions.mjs";
import { output, ROOT } from "../stack/processes.mjs";
import { DENO_ENV, denoPath } from "../stack/programs.mjs";
import { Failure, say } from "../stack/say.mjs";
import { startDatabase } from "./database.mjs";
import { summary } from "./figures.mjs";
import { startReceiver } from "./receivers.mjs";
import { aligned } from "./tables.mjs";

const LEVELS = ["newest", "hosted"];
const FIRST_BYTE = "settings to first byte out";

export async function cold(cleanup, options) {
  const database = await startDatabase(cleanup, options);
  const receiver = await startReceiver(cleanup, options);
  const endpoints = await database.replaceEndpoints([receiver.url(0, "cold")]);
  const keys = createKeys();
  const env = { ...process.env, ...DENO_ENV, ...functionEnv({ databaseUrl: database.url, keys }) };
  const once = async (level) => {
    await database.fill({ rows: 1, bytes: 1_024, endpoints });
    await receiver.reset({ note: true });
    const from = performance.timeOrigin + performance.now();
    const args = [
      "run",
      "--no-prompt",
      "--no-check",
      "--allow-env",
      "--allow-net",
      join(ROOT, "bench/cold.ts"),
    ];
    const { status, text } = await output(await denoPath(level), args, { env });
    if (status !== 0) throw new Failure(`bench/cold.ts failed:\n${text.trim()}`);
    const { receipts } = await receiver.state();
    if (receipts.length !== 1) throw new Failure(`${receipts.length} of 1 delivered:\n${text.trim()}`);
    return stepsOf(JSON.parse(text.trim().split("\n").at(-1)), from, receipts[0].at);
  };
  const levels = {};
  for (const level of LEVELS) {
    // What Deno has transpiled, it keeps.
    await once(level);
    const all = [];
    for (let round = 0; round < options.rounds; round++) all.push(await once(level));
    levels[level] = Object.fromEntries(
      Object.keys(all[0]).map((step) => [step, summary(all.map((one) => one[step])).median]),
    );
    say(`Deno ${level} is measured`);
  }
  const steps = Object.keys(levels.newest);
  console.log(aligned([
    ["step, ms", ...LEVELS.map((level) => `Deno ${level}`)],
    ...steps.map((step) => [step, ...LEVELS.map((level) => levels[level][step].toFixed(1))]),
  ]));
  return { levels };
}

/** The time that each step took, and the whole. */
function stepsOf({ steps, of }, from, firstByte) {
  const times = {};
  let last = from;
  for (const [name, at] of steps.filter(([name]) => name !== "answer")) {
    times[name] = at - last;
    last = at;
  }
  times[FIRST_BYTE] = firstByte - last;
  times["in all"] = firstByte - from;
  times["in core: decoding base64"] = of.decode;
  times["in core: compiling"] = of.compile;
  return times;
}
