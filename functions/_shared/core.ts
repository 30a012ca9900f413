/**
 * The Rust core. This is the only importer of generated code: the module's bytes travel in a TypeScript module,
 * because that is what every way of deploying uploads.
 *
 * @module
 */

import { decodeBase64 } from "./base64.ts";
import { initSync } from "./generated/webhook_wasm.js";
import { WASM_BASE64 } from "./generated/webhook_wasm_bytes.ts";

export * from "./generated/webhook_wasm.js";

initSync({ module: decodeBase64(WASM_BASE64) });
