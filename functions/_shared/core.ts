/**
 * The Rust core. This is the only importer of generated code: the module's bytes travel in a TypeScript module,
 * because that is what every way of deploying uploads.
 *
 * @module
 */

import { initSync } from "./generated/webhook_wasm.js";
import { WASM_BASE64 } from "./generated/webhook_wasm_bytes.ts";

export * from "./generated/webhook_wasm.js";

initSync({ module: decodeBase64(WASM_BASE64) });

/** `Uint8Array.fromBase64` is faster, and missing on the hosted runtime's Deno 2.1.4. */
function decodeBase64(text: string): BufferSource {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}
