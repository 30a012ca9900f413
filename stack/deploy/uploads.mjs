/** What the Supabase CLI uploads for a function, found as it finds it, and whether that is all that is needed. */

import { Buffer } from "node:buffer";
import { readFile, stat } from "node:fs/promises";
import { dirname, extname, join, relative, sep } from "node:path";
import { Failure } from "../say.mjs";

/** The platform's bounds for one function, in bytes. */
export const MOST_BYTES = { server: 5_000_000, local: 20_000_000 };

/** What every function is deployed with. */
const IMPORT_MAP = "functions/deno.json";

/** As the CLI does it, with a pattern instead of a parser: what stands in a comment counts, too. */
const IMPORTS =
  /(?:import|export)\s+(?:[\w*${}\s,]+?\bfrom\s*)?["']([^"'\r\n]+)["']|import\(\s*["']([^"'\r\n]+)["']/g;

/**
 * The files of one function, relative to the project's folder and sorted, and their size.
 *
 * @param {string} root the project's folder
 * @param {string} name the function's
 * @returns {Promise<{ files: string[], bytes: number }>}
 * @throws {Failure} where a file is missing, lies outside, or is imported so that the CLI does not see it
 */
export async function uploadsOf(root, name) {
  const map = JSON.parse(await read(root, IMPORT_MAP, "the functions' import map"));
  const names = Object.keys(map.imports ?? {});
  const files = new Map();
  const waiting = [{ file: `functions/${name}/index.ts`, by: "supabase/config.toml" }];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    if (files.has(next.file)) continue;
    const text = await read(root, next.file, `imported by ${next.by}`);
    files.set(next.file, Buffer.byteLength(text));
    for (const specifier of importsOf(text, next.file)) {
      const file = fileOf(root, next.file, specifier, names);
      if (file) waiting.push({ file, by: next.file });
    }
  }
  files.set(IMPORT_MAP, (await stat(join(root, IMPORT_MAP))).size);
  return { files: [...files.keys()].sort(), bytes: [...files.values()].reduce((sum, size) => sum + size, 0) };
}

/** Fails for the first function that is larger than the way of bundling allows. */
export function requireSizes(sizes, way) {
  for (const { name, bytes } of sizes) {
    if (bytes <= MOST_BYTES[way]) continue;
    const other = way === "server" ? "; --use-docker bundles here and may have 20 MB" : "";
    throw new Failure(
      `${name} has ${megabytes(bytes)}, more than the ${
        megabytes(MOST_BYTES[way])
      } of a ${way} bundle${other}`,
    );
  }
}

/** Bytes for people. */
export function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(2)} MB`;
}

function importsOf(text, file) {
  if (/\bimport\(\s*`/.test(text)) {
    throw new Failure(
      `${file} imports by a template literal, which the CLI does not see: use a plain string`,
    );
  }
  return [...text.matchAll(IMPORTS)].map(([, one, other]) => one ?? other);
}

/** The file that a relative import names; nothing for what the runtime fetches by itself. */
function fileOf(root, from, specifier, names) {
  if (!/^\.{0,2}\//.test(specifier)) {
    if (/^(?:npm|jsr|node|https):/.test(specifier)) return undefined;
    if (names.some((name) => specifier === name || specifier.startsWith(`${name}/`))) return undefined;
    throw new Failure(`${from} imports "${specifier}", which ${IMPORT_MAP} does not name`);
  }
  if (!extname(specifier)) {
    throw new Failure(
      `${from} imports "${specifier}": the CLI uploads only files that are named with their extension`,
    );
  }
  const file = relative(root, join(root, dirname(from), specifier)).split(sep).join("/");
  if (specifier.startsWith("/") || file.startsWith("../")) {
    throw new Failure(
      `${from} imports "${specifier}", which lies outside the project's folder: it would not be uploaded`,
    );
  }
  return file;
}

async function read(root, file, why) {
  try {
    return await readFile(join(root, file), "utf8");
  } catch {
    const advice = file.includes("/generated/") ? ": run npm run build" : "";
    throw new Failure(`${file} (${why}) is missing${advice}`);
  }
}
