/** The gate's PostgreSQL clusters: one a version, started when a part first asks, ended with the gate. */

import { Cleanup } from "./cleanup.mjs";

const cleanup = new Cleanup();
const urls = new Map();

/** The URL of a cluster; `bin` is the folder of another PostgreSQL's programs than the embedded one's. */
export async function postgresUrl(bin = "") {
  if (!urls.has(bin)) {
    const { startPostgres } = await import("./postgres.mjs");
    urls.set(bin, await startPostgres(cleanup, bin ? { bin } : {}));
  }
  return urls.get(bin);
}

export const endPostgres = () => cleanup.run();
