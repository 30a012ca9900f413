/**
 * Bytes that travel as text: WASM modules, keys and signatures.
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

export function encodeBase64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}
