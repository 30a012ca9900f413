/**
 * Structured logs: one JSON object a line.
 *
 * @module
 */

export type Level = "info" | "warn" | "error";

/** Values that a log line may hold. No secret, no payload and no whole URL belongs there. */
export type Fields = Record<string, string | number | boolean | null>;

export type Log = (level: Level, message: string, fields?: Fields) => void;

/** A log of one function. `write` takes a line; by default the console does. */
export function createLog(functionName: string, write: (line: string) => void = console.log): Log {
  return (level, message, fields = {}) =>
    write(JSON.stringify({
      ts: new Date().toISOString(),
      level,
      msg: message,
      function: functionName,
      ...fields,
    }));
}
