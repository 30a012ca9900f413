/**
 * Structured logs: one JSON object a line, and no more lines than the platform keeps.
 *
 * @module
 */

import { LogBudget, version } from "./core.ts";

export type Level = "info" | "warn" | "error";

/** Values that a log line may hold. No secret, no payload and no whole URL belongs there. */
export type Fields = Record<string, string | number | boolean | null>;

/** `isDetail`: one line of many, which are left out first where there are too many. */
export type Log = (level: Level, message: string, fields?: Fields, isDetail?: boolean) => void;

const VERSION = version();

/** The platform drops lines of more than 10,000 characters. */
const MOST_CHARS = 1_000;

/** A log of one function. `write` takes a line; by default the console does. `now` is in milliseconds since 1970. */
export function createLog(
  functionName: string,
  write: (line: string) => void = console.log,
  now: () => number = Date.now,
): Log {
  const budget = new LogBudget();
  const writeLine = (level: Level, message: string, fields: Fields) => {
    const line = {
      ts: new Date(now()).toISOString(),
      level,
      msg: message,
      function: functionName,
      version: VERSION,
      ...fields,
    };
    write(JSON.stringify(line, (_, value) => typeof value === "string" ? value.slice(0, MOST_CHARS) : value));
  };
  return (level, message, fields = {}, isDetail = false) => {
    if (!budget.admit(isDetail, now())) return;
    const omitted = isDetail ? 0 : budget.takeOmitted(now());
    if (omitted > 0) writeLine("warn", "lines_omitted", { count: omitted });
    writeLine(level, message, fields);
  };
}
