/** Starts the receiver, and asks it. */

import { fork } from "node:child_process";
import { join } from "node:path";
import { end } from "../stack/cleanup.mjs";
import { ROOT } from "../stack/processes.mjs";
import { Failure } from "../stack/say.mjs";

/**
 * @param {import("../stack/cleanup.mjs").Cleanup} cleanup
 * @param {{ certificates?: { cert: string, key: string }, onSpawn: (pid: number) => Promise<void> }} options
 * @returns {Promise<Receiver>}
 *
 * @typedef {object} Receiver
 * @property {number} pid
 * @property {(latencyMs: number, name: string | number) => string} url of an endpoint that answers after so long
 * @property {(options?: { note?: boolean }) => Promise<void>} reset counts from zero; `note`: keeps when each delivery came
 * @property {() => Promise<{ taken: number, receipts?: { id: string, at: number }[] }>} state `at`: milliseconds since 1970
 */
export async function startReceiver(cleanup, { certificates, onSpawn }) {
  const { cert = "", key = "" } = certificates ?? {};
  const env = { ...process.env, cert, key };
  const child = fork(join(ROOT, "bench/receiver.mjs"), { env, stdio: ["ignore", 2, 2, "ipc"] });
  const ended = new Promise((_, reject) => {
    child.once("exit", () => reject(new Failure("the receiver has ended")));
  });
  ended.catch(() => {});
  const answer = () => Promise.race([new Promise((resolve) => child.once("message", resolve)), ended]);
  const ask = (question) => {
    const answered = answer();
    child.send(question);
    return answered;
  };
  const listening = answer();
  await Promise.all([cleanup.add(() => end(child, "SIGTERM")), onSpawn(child.pid), listening]);
  const { port } = await listening;
  const origin = certificates ? `https://localhost:${port}` : `http://127.0.0.1:${port}`;
  return {
    pid: child.pid,
    url: (latencyMs, name) => `${origin}/${latencyMs}/${name}`,
    reset: async ({ note = false } = {}) => {
      await ask({ ask: "reset", note });
    },
    state: () => ask({ ask: "state" }),
  };
}
