/**
 * Processes that an earlier start left behind when it was killed. Each is noted with its command, so that another
 * process that has got its number since is not touched.
 */

import { spawnSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { say } from "./say.mjs";
import { ROOT } from "./setup.mjs";

const NOTE = join(ROOT, ".local/processes.json");

export async function noteProcesses(pids) {
  await mkdir(dirname(NOTE), { recursive: true });
  await writeFile(NOTE, JSON.stringify(pids.map((pid) => ({ pid, command: commandOf(pid) }))));
}

export async function endLeftovers() {
  const noted = JSON.parse(await readFile(NOTE, "utf8").catch(() => "[]"));
  const left = noted.filter(({ pid, command }) => command !== "" && commandOf(pid) === command);
  if (left.length === 0) return;
  say(`ending ${left.length} processes that an earlier start left behind`);
  for (const { pid } of left) process.kill(pid, "SIGKILL");
  const deadline = Date.now() + 10_000;
  while (left.some(({ pid, command }) => commandOf(pid) === command) && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await noteProcesses([]);
}

/** A process's command with its arguments; empty where there is none. A zombie has ended. */
function commandOf(pid) {
  const { stdout } = spawnSync("ps", ["-o", "stat=,args=", "-p", String(pid)], { encoding: "utf8" });
  const [, state = "", args = ""] = /^\s*(\S+)\s+(.*)$/.exec(stdout?.trim() ?? "") ?? [];
  return state.startsWith("Z") ? "" : args;
}
