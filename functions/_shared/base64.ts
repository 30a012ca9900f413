/**
 * Bytes that travel as text: WASM modules, keys and signatures.
 *
 * @module
 */

/** What newer runtimes have; the hosted one's Deno 2.1.4 has not. */
const { fromBase64 } = Uint8Array as { fromBase64?: (text: string) => BufferSource };

export function decodeBase64(text: string): BufferSource {
  if (fromBase64) return fromBase64(text);
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
