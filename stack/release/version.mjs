/** The version, which stands in four places, and what the CHANGELOG says of it. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "../processes.mjs";
import { Failure } from "../say.mjs";

/** The project's version; fails where its files do not agree. */
export async function projectVersion() {
  const text = (file) => readFile(join(ROOT, file), "utf8");
  const { version } = JSON.parse(await text("package.json"));
  const places = {
    "package-lock.json": JSON.parse(await text("package-lock.json")).version,
    "Cargo.toml": /^\[workspace\.package\]\nversion = "([^"]+)"/m.exec(await text("Cargo.toml"))?.[1],
    "Cargo.lock": /name = "webhook-wasm"\nversion = "([^"]+)"/.exec(await text("Cargo.lock"))?.[1],
  };
  for (const [file, other] of Object.entries(places)) {
    if (other !== version) throw new Failure(`package.json has version ${version}, but ${file} has ${other}`);
  }
  return version;
}

/**
 * The CHANGELOG's section of a version, without its heading.
 *
 * @param {{ mustHaveDate: boolean }} options what is tagged is released, and so has a date
 */
export async function releaseNotes(version, { mustHaveDate }) {
  const changelog = await readFile(join(ROOT, "CHANGELOG.md"), "utf8");
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((text) => text.split(/\s/, 1)[0] === version);
  if (!section) throw new Failure(`CHANGELOG.md has no section "## ${version}"`);
  const [heading, ...lines] = section.split("\n");
  if (mustHaveDate && !/\d{4}-\d{2}-\d{2}$/.test(heading)) {
    throw new Failure(`CHANGELOG.md: expected a date in "## ${heading}", as in "## ${version} – 2026-01-29"`);
  }
  return `${lines.join("\n").trim()}\n`;
}

export function requireTag(tag, version) {
  if (tag !== `v${version}`) {
    throw new Failure(`the tag is ${tag}, but the version is ${version}: expected v${version}`);
  }
}
