/** Dispatcher processes, each called again and again as a cron job does it, killed, and started anew at once. */

import { spawn } from "node:child_process";
import { join } from "node:path";
import { end } from "../cleanup.mjs";
import { ROOT } from "../processes.mjs";
import { DENO_ENV } from "../programs.mjs";
import { Failure } from "../say.mjs";

const ENTRY = join(ROOT, "functions/webhook-dispatcher/index.ts");
/** Between two calls. */
const PAUSE_MS = 250;
/** Longer than a call may take: its budget, a request and a write. */
const CALL_TIMEOUT_MS = 30_000;

/**
 * @param {import("../cleanup.mjs").Cleanup} cleanup
 * @param {object} options
 * @param {number} options.count
 * @param {string} options.deno
 * @param {string} options.secretKey
 * @param {(dispatcher: string) => Record<string, string>} options.envFor
 * @param {(pid: number) => Promise<void>} options.onSpawn
 * @param {(line: string) => void} options.onLine
 * @param {(summary: { remaining: number }, calledAt: number) => void} options.onSummary
 *
 * @typedef {{ name: string, killedAt: number | null, diedByItself: boolean }} Dispatcher
 */
export async function startDispatchers(cleanup, { count, secretKey, onSummary, ...options }) {
  /** @type {Map<string, Dispatcher>} every process that there was, by its name */
  const all = new Map();
  const running = new Map();
  let isEnding = false;
  let unanswered = 0;

  const startOne = async (place) => {
    const one = await startProcess(cleanup, { name: `dispatcher-${all.size + 1}`, all, ...options });
    running.set(place, one);
    return one;
  };

  const callOnce = async (one) => {
    const calledAt = Date.now();
    try {
      const response = await fetch(one.url, {
        method: "POST",
        headers: { apikey: secretKey },
        signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
      });
      // 503 while there is no database.
      const summary = await response.json();
      if (response.ok) onSummary(summary, calledAt);
    } catch (error) {
      if (error.name === "TimeoutError") unanswered++;
    }
  };

  const keep = async (place) => {
    while (!isEnding) {
      const one = running.get(place);
      while (!isEnding && one.isAlive()) {
        await callOnce(one);
        await Promise.race([one.ended, new Promise((resolve) => setTimeout(resolve, PAUSE_MS))]);
      }
      if (!isEnding) await startOne(place);
    }
  };

  await Promise.all(Array.from({ length: count }, (_, place) => startOne(place)));
  const kept = Promise.all(Array.from({ length: count }, (_, place) => keep(place)));
  kept.catch(() => {});
  return {
    all,
    /** Rejects when a dispatcher cannot be started. */
    kept,
    unanswered: () => unanswered,
    /** SIGKILL for one of them; false where it is dead already. */
    killAny: (random) => running.get(Math.floor(random() * count)).kill(),
    kill: (name) => [...running.values()].find((one) => one.name === name)?.kill() ?? false,
    /** Lets the calls that are under way end, then the processes. */
    finish: async () => {
      isEnding = true;
      await kept;
      for (const one of running.values()) await one.stop();
    },
  };
}

async function startProcess(cleanup, { name, all, deno, envFor, onSpawn, onLine }) {
  const dispatcher = { name, killedAt: null, diedByItself: false };
  all.set(name, dispatcher);
  const child = spawn(deno, ["run", "--no-prompt", "--allow-env", "--allow-net", ENTRY], {
    cwd: ROOT,
    env: { ...process.env, ...DENO_ENV, ...envFor(name), PORT: "0" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let isWanted = true;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  ended.then(() => (dispatcher.diedByItself = isWanted));
  const stop = () => {
    isWanted = false;
    return end(child, "SIGTERM");
  };
  const [url] = await Promise.all([
    listeningUrl(child, (line) => onLine(`${name} ${line}`)),
    cleanup.add(stop),
    onSpawn(child.pid),
  ]);
  const isAlive = () => child.exitCode === null && child.signalCode === null && dispatcher.killedAt === null;
  return {
    name,
    url,
    ended,
    isAlive,
    stop,
    kill: () => {
      if (!isAlive()) return false;
      isWanted = false;
      dispatcher.killedAt = Date.now();
      return child.kill("SIGKILL");
    },
  };
}

/** Reads both streams to their end, so that the process never waits for a reader. */
function listeningUrl(child, onLine) {
  return new Promise((resolve, reject) => {
    let shown = "";
    const readLines = (stream) => {
      let rest = "";
      stream.setEncoding("utf8").on("data", (data) => {
        if (shown.length < 10_000) shown += data;
        const lines = (rest + data).split("\n");
        rest = lines.pop();
        for (const line of lines) {
          const listening = /^Listening on (http:\S+)/.exec(line);
          if (listening) resolve(listening[1]);
          else onLine(line);
        }
      });
    };
    readLines(child.stdout);
    readLines(child.stderr);
    child.once("error", (error) => reject(new Failure(`a dispatcher did not start: ${error.message}`)));
    child.once("exit", () => reject(new Failure(`a dispatcher did not start:\n${shown.trim()}`)));
  });
}
