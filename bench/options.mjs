/** What `npm run bench` can be asked for. */

import { parseArgs } from "node:util";
import { Failure } from "../stack/say.mjs";
import { KINDS } from "./kinds.mjs";

export const COMMANDS = ["compare", "cold", "latency", "linger", "growth"];

export const HELP = `npm run bench [-- COMMAND] [-- OPTIONS]

Measures on this machine, with PostgreSQL and a receiver of its own; see docs/bench.md. Commands:

  compare             dispatchers and raw ceilings in turn, under the same conditions (the default)
    --quick             what the goals need, in three minutes; all takes half an hour
    --rounds N          how often each is measured (3)
    --cells LIST        conditions: LATENCY/ENDPOINTS/KIB/plain|tls, or slow; such as 50ms,0ms/100/10/tls,slow
    --kinds LIST        all, or some of ${Object.keys(KINDS).join(", ")}
    --rows N            deliveries of each measurement (by default so many that the fast ones take some seconds)
    --chart             writes docs/bench.svg
  cold                how long a new process takes to its first byte, on both levels of Deno
  latency             from insert to receipt on an idle system that a call wakes
    --inserts N         how many, one at a time (50)
  linger              from insert to receipt while one call lingers
    --seconds N         for how long (60)
  growth              claim, record and health on tables with a history, and the memory of a run over 100,000 due rows
    --rows N            up to how many rows of history (1000000)

  --deno LEVEL        newest, or hosted: as the hosted platform runs it (newest)
  --json              the last line of stdout is one JSON object`;

/** @throws {Failure} that names the option */
export function readOptions(args) {
  // npm keeps options for itself that come without the dashes.
  for (const name of ["quick", "chart"]) {
    if (process.env[`npm_config_${name}`]) {
      throw new Failure(`write it with two dashes between: npm run bench -- --${name}`);
    }
  }
  const { values, positionals } = parsed(args);
  const [command = "compare", ...others] = positionals;
  if (!COMMANDS.includes(command) || others.length > 0) {
    throw new Failure(`expected one of ${COMMANDS.join(", ")}, got ${positionals.join(" ")}`);
  }
  const number = (name) => {
    const text = values[name];
    if (text === undefined) return undefined;
    if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
    throw new Failure(`--${name}: expected a whole number from 1, got ${text}`);
  };
  if (!["newest", "hosted"].includes(values.deno)) {
    throw new Failure(`--deno: expected newest or hosted, got ${values.deno}`);
  }
  return {
    ...values,
    command,
    rounds: number("rounds") ?? 3,
    rows: number("rows"),
    inserts: number("inserts") ?? 50,
    seconds: number("seconds") ?? 60,
    cells: values.cells?.split(","),
    kinds: kindsIn(values.kinds),
  };
}

function parsed(args) {
  const [text, flag] = [{ type: "string" }, { type: "boolean", default: false }];
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...{ quick: flag, chart: flag, json: flag, help: flag },
        ...{ rounds: text, rows: text, cells: text, kinds: text, inserts: text, seconds: text },
        deno: { type: "string", default: "newest" },
      },
    });
  } catch (error) {
    throw new Failure(`${error.message}\n\n${HELP}`);
  }
}

function kindsIn(text) {
  if (text === undefined) return undefined;
  const all = Object.keys(KINDS);
  const kinds = text === "all" ? all : text.split(",");
  const unknown = kinds.find((kind) => !all.includes(kind));
  if (unknown !== undefined) {
    throw new Failure(`--kinds: expected all or some of ${all.join(", ")}; got ${unknown}`);
  }
  return kinds;
}
