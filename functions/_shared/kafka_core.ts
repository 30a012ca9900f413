/**
 * The Rust Kafka producer, in a module of its own: import it when the first Kafka endpoint turns up, since reading it
 * costs time. This is the only importer of its generated code.
 *
 * @module
 */

import { decodeBase64 } from "./base64.ts";
import { initSync } from "./generated/webhook_kafka_wasm.js";
import { WASM_BASE64 } from "./generated/webhook_kafka_wasm_bytes.ts";

export * from "./generated/webhook_kafka_wasm.js";

initSync({ module: decodeBase64(WASM_BASE64) });
