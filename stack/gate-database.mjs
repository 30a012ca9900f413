/** The gate's PostgreSQL clusters: one a version, started when a part first asks, ended with the gate. */

const clusters = new Map();

/** The URL of a cluster; `bin` is the folder of another PostgreSQL's programs than the embedded one's. */
export async function postgresUrl(bin = "") {
  if (!clusters.has(bin)) {
    const { startPostgres } = await import("./postgres.mjs");
    clusters.set(bin, await startPostgres(bin ? { bin } : {}));
  }
  return clusters.get(bin).url;
}

export async function endPostgres() {
  for (const cluster of clusters.values()) await cluster.stop();
  clusters.clear();
}
