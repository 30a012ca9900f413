/**
 * The bytes of WASM modules, which travel as text.
 *
 * @module
 */

/** `Uint8Array.fromBase64` is faster, and missing on the hosted runtime's Deno 2.1.4. */
export function decodeBase64(text: string): BufferSource {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}
