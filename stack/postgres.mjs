/** A PostgreSQL of our own: a new, empty cluster each time, gone when it stops. */

import { spawn, spawnSync } from "node:child_process";
import { chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { end } from "./cleanup.mjs";
import { ROOT } from "./processes.mjs";
import { postgresBinaries, reachableFor } from "./programs.mjs";
import { Failure } from "./say.mjs";

const PASSWORD = "postgres";
const SCHEMA = ["01-supabase.sql", "02-app.sql", "03-webhooks.sql"];

/**
 * Starts a cluster with Supabase's roles, the application's tables and the webhook tables.
 *
 * @param {import("./cleanup.mjs").Cleanup} cleanup ends it and removes its data
 * @param {ClusterOptions} [options]
 * @returns {Promise<string>} its URL
 */
export async function startPostgres(cleanup, options) {
  return (await startCluster(cleanup, options)).url;
}

/**
 * The same, for those who want to stop it and start it again, on the same data and port.
 *
 * @param {import("./cleanup.mjs").Cleanup} cleanup
 * @param {ClusterOptions} [options]
 * @returns {Promise<{ url: string, stop: (signal: "SIGINT" | "SIGQUIT") => Promise<void>, start: () => Promise<void> }>}
 * `stop`: SIGINT is PostgreSQL's fast shutdown; SIGQUIT leaves what a crash leaves, and the next start recovers it.
 *
 * @typedef {{ port?: number, bin?: string, onSpawn?: (pid: number, dataDir: string) => Promise<void> }} ClusterOptions
 * `port`: a free one by default. `bin`: the folder of another PostgreSQL's programs. `onSpawn`: called as soon as there
 * is a process.
 */
export async function startCluster(cleanup, { port, bin, onSpawn } = {}) {
  const user = unprivileged();
  const programs = await reachableFor(user, bin ?? (await postgresBinaries()));
  const dataDir = await mkdtemp(join(tmpdir(), "supabase-webhooks-db-"));
  // The server's processes may write for a moment after it has ended.
  await cleanup.add(() => rm(dataDir, { recursive: true, force: true, maxRetries: 10 }));
  const cluster = await initialise(programs, dataDir, user);
  const listening = port ?? (await freePort());
  const flags = ["-D", cluster, "-p", String(listening), "-h", "127.0.0.1", "-k", ""];
  const settings = ["timezone=UTC", "max_connections=100"].flatMap((setting) => ["-c", setting]);
  const launch = async () => {
    const server = spawn(join(programs, "postgres"), [...flags, ...settings], {
      ...user,
      cwd: dataDir,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const isReady = ready(server);
    await Promise.all([cleanup.add(() => end(server, "SIGINT")), onSpawn?.(server.pid, dataDir), isReady]);
    return server;
  };
  let server = await launch();
  const url = `postgresql://postgres:${PASSWORD}@127.0.0.1:${listening}/postgres`;
  await loadSchema(url);
  return {
    url,
    stop: (signal) => end(server, signal),
    start: async () => {
      server = await launch();
    },
  };
}

/** A new cluster in a folder of the data directory. */
async function initialise(programs, dataDir, user) {
  const passwordFile = join(dataDir, "password");
  await writeFile(passwordFile, PASSWORD);
  for (const path of [dataDir, passwordFile]) if (user) await chown(path, user.uid, user.gid);
  const cluster = join(dataDir, "cluster");
  const flags = ["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"];
  const initdb = spawnSync(
    join(programs, "initdb"),
    ["--pgdata", cluster, "--pwfile", passwordFile, ...flags],
    { ...user, cwd: dataDir, encoding: "utf8" },
  );
  if (initdb.status !== 0) {
    throw new Failure(`initdb failed: ${initdb.stderr?.trim() || initdb.error?.message || initdb.signal}`);
  }
  return cluster;
}

/** A port that is free at this moment. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function loadSchema(url) {
  const { default: postgres } = await import("postgres");
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    for (const file of SCHEMA) await sql.file(join(ROOT, "stack/schema", file));
  } finally {
    await sql.end();
  }
}

/** Waits until the server says that it takes connections. */
function ready(server) {
  return new Promise((resolve, reject) => {
    let log = "";
    server.stderr.on("data", (data) => {
      if (log.length < 10_000) log += data;
      if (log.includes("database system is ready to accept connections")) resolve();
    });
    server.once("error", (error) => reject(new Failure(`PostgreSQL did not start: ${error.message}`)));
    server.once("exit", () => reject(new Failure(`PostgreSQL did not start:\n${log.trim()}`)));
  });
}

/** Whom to run the server as: nobody, where we are root, and else ourselves. */
function unprivileged() {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag) =>
    Number(spawnSync("id", [flag, "nobody"], { encoding: "utf8" }).stdout?.trim() || 65534);
  return { uid: id("-u"), gid: id("-g") };
}
