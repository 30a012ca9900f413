/** A certification authority that lives as long as a run, and a certificate for loopback, by the `openssl` program. */

import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Failure } from "../stack/say.mjs";

/**
 * @param {import("../stack/cleanup.mjs").Cleanup} cleanup removes the files
 * @returns {Promise<{ caFile: string, ca: string, cert: string, key: string }>} `caFile` is a path; the others are PEM
 */
export async function makeCertificates(cleanup) {
  const folder = await mkdtemp(join(tmpdir(), "supabase-webhooks-ca-"));
  await cleanup.add(() => rm(folder, { recursive: true, force: true }));
  const file = (name) => join(folder, name);
  const openssl = (...args) => {
    const { status, error, stderr } = spawnSync("openssl", args, { encoding: "utf8" });
    if (status !== 0) throw new Failure(`openssl, which cells with TLS need: ${error?.message ?? stderr}`);
  };
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const ca = ["-keyout", file("ca.key"), "-out", file("ca.pem"), "-subj", "/CN=Bench CA", "-days", "2"];
  openssl("req", "-x509", ...newKey, ...ca);
  openssl("req", ...newKey, "-keyout", file("leaf.key"), "-out", file("leaf.csr"), "-subj", "/CN=leaf");
  await writeFile(file("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1");
  const signed = ["-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial", "-days", "2"];
  const names = ["-extfile", file("names"), "-out", file("leaf.pem")];
  openssl("x509", "-req", "-in", file("leaf.csr"), ...signed, ...names);
  return {
    caFile: file("ca.pem"),
    ca: await readFile(file("ca.pem"), "utf8"),
    cert: await readFile(file("leaf.pem"), "utf8"),
    key: await readFile(file("leaf.key"), "utf8"),
  };
}
