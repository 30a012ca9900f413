/** What processes have used of the processor and of memory. */

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** The unit of Linux' /proc/PID/stat. */
const TICK_MS = 10;

/**
 * Processor time of a process and all that it has started, in user and system mode. Where there is no /proc, children
 * that have ended are left out.
 *
 * @param {number} pid
 * @returns {number} in milliseconds; in steps of ten
 */
export function cpuMs(pid) {
  const processes = process.platform === "linux" ? fromProc() : fromPs();
  const own = new Set([pid]);
  // A child may stand before its parent.
  for (let size = 0; size < own.size;) {
    size = own.size;
    for (const one of processes) if (own.has(one.parent)) own.add(one.pid);
  }
  return processes.reduce((sum, one) => sum + (own.has(one.pid) ? one.cpuMs : 0), 0);
}

/** The most memory that a process has had, in MiB; null where the system does not say. */
export function peakMiB(pid) {
  const status = process.platform === "linux" ? read(`/proc/${pid}/status`) : "";
  const [, kib] = /^VmHWM:\s+(\d+)/m.exec(status) ?? [];
  return kib === undefined ? null : Math.round(Number(kib) / 1_024);
}

/** With the times of children that have ended, so that a backend that goes takes none with it. */
function fromProc() {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    const stat = read(`/proc/${name}/stat`);
    // The command's name, in parentheses, may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields.length < 15) return [];
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return [{ pid: Number(name), parent: Number(fields[1]), cpuMs: ticks * TICK_MS }];
  });
}

function fromPs() {
  const { stdout } = spawnSync("ps", ["-A", "-o", "pid=,ppid=,time="], { encoding: "utf8" });
  return stdout.trim().split("\n").map((line) => {
    const [pid, parent, time] = line.trim().split(/\s+/);
    const seconds = time.split(":").reduce((sum, part) => 60 * sum + Number(part), 0);
    return { pid: Number(pid), parent: Number(parent), cpuMs: 1_000 * seconds };
  });
}

function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // It has ended meanwhile.
    return "";
  }
}
