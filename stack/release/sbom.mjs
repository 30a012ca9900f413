/**
 * What a release is made of, as CycloneDX 1.6 JSON (https://cyclonedx.org/docs/1.6/json/). It is written here and not by
 * CycloneDX's library, so that the tests can hold it against that.
 */

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "../processes.mjs";
import { Failure } from "../say.mjs";
import { MODULES } from "./crates.mjs";

/**
 * @param {{ version: string, seconds: number, crates: import("./crates.mjs").Crate[] }} release `seconds` since 1970
 * @returns {Promise<string>}
 */
export async function sbom({ version, seconds, crates }) {
  const postgres = await postgresComponent();
  const root = `supabase-webhooks@${version}`;
  const refs = new Map(crates.map((crate) => [`${crate.name}@${crate.version}`, refOf(crate)]));
  const direct = crates.filter(({ name }) => MODULES.includes(name)).map(refOf);
  const content = {
    version: 1,
    metadata: {
      timestamp: new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, "Z"),
      component: {
        type: "application",
        "bom-ref": root,
        name: "supabase-webhooks",
        version,
        licenses: [{ expression: "MIT OR Apache-2.0" }],
      },
    },
    components: [...crates.map(crateComponent), postgres],
    dependencies: [
      { ref: root, dependsOn: [...direct, postgres["bom-ref"]] },
      ...crates.map((crate) => ({
        ref: refOf(crate),
        dependsOn: crate.dependsOn.map((key) => refs.get(key)),
      })),
      { ref: postgres["bom-ref"], dependsOn: [] },
    ],
  };
  const serialNumber = `urn:uuid:${uuidOf(JSON.stringify(content))}`;
  const schema = "http://cyclonedx.org/schema/bom-1.6.schema.json";
  const head = { $schema: schema, bomFormat: "CycloneDX", specVersion: "1.6", serialNumber };
  return `${JSON.stringify({ ...head, ...content }, null, 2)}\n`;
}

function crateComponent(crate) {
  const { name, version, licence, sha256 } = crate;
  return {
    type: "library",
    "bom-ref": refOf(crate),
    name,
    version,
    ...(sha256 && { hashes: [{ alg: "SHA-256", content: sha256 }] }),
    licenses: [{ expression: licence }],
    ...(sha256 && { purl: refOf(crate) }),
  };
}

/** A package URL; the project's own crates are on no registry and have none. */
function refOf({ name, version, sha256 }) {
  return sha256 ? `pkg:cargo/${name}@${version}` : `${name}@${version}`;
}

/** The one package that the functions take from npm, when the platform bundles them. */
async function postgresComponent() {
  const lock = JSON.parse(await readFile(join(ROOT, "functions/deno.lock"), "utf8"));
  const packages = Object.entries(lock.npm ?? {});
  const [key, entry] = packages[0] ?? [];
  if (packages.length !== 1 || !key.startsWith("postgres@")) {
    throw new Failure(
      `functions/deno.lock: expected postgres alone, got ${packages.map(([name]) => name).join(", ")}`,
    );
  }
  const { packages: installed } = JSON.parse(await readFile(join(ROOT, "package-lock.json"), "utf8"));
  const { version, license, integrity } = installed["node_modules/postgres"];
  if (`postgres@${version}` !== key || integrity !== entry.integrity) {
    throw new Failure(
      `functions/deno.lock has ${key}, package-lock.json postgres@${version}: they must be the same`,
    );
  }
  const purl = `pkg:npm/${key}`;
  const content = Buffer.from(integrity.replace("sha512-", ""), "base64").toString("hex");
  const hashes = [{ alg: "SHA-512", content }];
  return {
    type: "library",
    "bom-ref": purl,
    name: "postgres",
    version,
    hashes,
    licenses: [{ license: { id: license } }],
    purl,
  };
}

/** A UUID of version 8 (RFC 9562, section 5.8) made of the content: the same for the same content. */
function uuidOf(content) {
  const bytes = createHash("sha256").update(content).digest().subarray(0, 16);
  bytes[6] = (bytes[6] & 0x0f) | 0x80;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
