/**
 * What an earlier start left behind when it was killed: processes and folders. Each process is noted with its
 * command, so that another one that has got its number since is not touched.
 */

import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "./processes.mjs";
import { say } from "./say.mjs";

/** A file a start, named after its process: several may be up at once, on different ports. */
const NOTES = join(ROOT, ".local/leftovers");
const OWN = join(NOTES, `${process.pid}.json`);

const noted = [];
let drafts = 0;

/** Notes a process, and the folder that is to go with it, before anything can happen to us. */
export async function note(pid, folder = null) {
  noted.push({ pid, command: commandOf(pid), folder });
  await mkdir(NOTES, { recursive: true });
  await writeJson(OWN, { owner: describe(process.pid), noted });
}

/** Everything noted has ended in order. */
export async function forget() {
  noted.length = 0;
  await rm(OWN, { force: true });
}

/** Ends what starts that are no more have left behind. */
export async function endLeftovers() {
  for (const name of await readdir(NOTES).catch(() => [])) {
    const file = join(NOTES, name);
    const { owner, noted: left } = await readJson(file);
    if (!owner || isAlive(owner)) continue;
    const alive = left.filter(isAlive);
    if (alive.length > 0) say(`ending ${alive.length} processes that an earlier start left behind`);
    for (const { pid } of alive) process.kill(pid, "SIGKILL");
    const deadline = Date.now() + 10_000;
    while (alive.some(isAlive) && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    for (const { folder } of left) if (folder) await rm(folder, { recursive: true, force: true });
    await rm(file, { force: true });
  }
}

/** A file's JSON object; an empty one where the file is missing or was not written to its end. */
export async function readJson(file) {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch {
    return {};
  }
}

/** Writes a file at once: whoever reads it sees it whole. */
export async function writeJson(file, value) {
  const draft = `${file}.${process.pid}.${drafts++}.draft`;
  await writeFile(draft, JSON.stringify(value, null, 2), { mode: 0o600 });
  await rename(draft, file);
}

/** A process as it can be told from a later one with the same number. */
export function describe(pid) {
  return { pid, command: commandOf(pid) };
}

export function isAlive({ pid, command }) {
  return command !== "" && commandOf(pid) === command;
}

/** A process's command with its arguments; empty where there is none. A zombie has ended. */
function commandOf(pid) {
  const { stdout } = spawnSync("ps", ["-o", "stat=,args=", "-p", String(pid)], { encoding: "utf8" });
  const [, state = "", args = ""] = /^\s*(\S+)\s+(.*)$/.exec(stdout?.trim() ?? "") ?? [];
  return state.startsWith("Z") ? "" : args;
}
