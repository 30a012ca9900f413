/**
 * What the README shows, as it stands there.
 *
 * @module
 */

import assert from "node:assert/strict";

const README = new URL("../../README.md", import.meta.url);

/** The code block of a language. There is one. */
export async function readmeBlock(language: string): Promise<string> {
  const readme = await Deno.readTextFile(README);
  const found = [...readme.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))];
  assert.equal(found.length, 1, `${language}: ${found.length} blocks`);
  return found[0]![1]!;
}
