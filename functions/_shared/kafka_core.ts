/**
 * The Rust Kafka producer, in a module of its own: import it when the first Kafka endpoint turns up, since reading it
 * costs time. This is the only importer of its generated code.
 *
 * @module
 */

import { initSync } from "./generated/webhook_kafka_wasm.js";
import { WASM_BASE64 } from "./generated/webhook_kafka_wasm_bytes.ts";

export * from "./generated/webhook_kafka_wasm.js";

initSync({ module: decodeBase64(WASM_BASE64) });

/** `Uint8Array.fromBase64` is faster, and missing on the hosted runtime's Deno 2.1.4. */
function decodeBase64(text: string): BufferSource {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}
