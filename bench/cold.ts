/**
 * The dispatcher's parts, loaded one after another, and one call. Prints a line of JSON: when each step was over, in
 * milliseconds since 1970, in order; then how long two of them take that are hidden in `core`.
 *
 * @module
 */

const steps: [string, number][] = [["process", now()]];
const over = (name: string) => steps.push([name, now()]);

const { decodeBase64 } = await import("../functions/_shared/base64.ts");
const { WASM_BASE64 } = await import("../functions/_shared/generated/webhook_wasm_bytes.ts");
over("text of the module");
await import("../functions/_shared/core.ts");
over("core");
await import("postgres");
over("postgres");
const { createRuntime } = await import("../functions/_shared/runtime.ts");
const { createHandler } = await import("../functions/webhook-dispatcher/handler.ts");
over("the other modules");
const runtime = createRuntime("webhook-dispatcher");
const handler = createHandler(runtime);
over("settings");
const key = Object.values<string>(JSON.parse(Deno.env.get("SUPABASE_SECRET_KEYS") ?? "{}"))[0] ?? "";
const answer = await handler(new Request("http://localhost/", { method: "POST", headers: { apikey: key } }));
over("answer");
const decoding = now();
const bytes = decodeBase64(WASM_BASE64);
const compiling = now();
new WebAssembly.Module(bytes);
const of = { decode: compiling - decoding, compile: now() - compiling };
console.log(JSON.stringify({ steps, of, status: answer.status }));
Deno.exit();

function now(): number {
  return performance.timeOrigin + performance.now();
}
