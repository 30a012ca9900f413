/** Chance that a seed decides: the same keys give the same numbers, whatever happens around them. */

import { createHash } from "node:crypto";

/**
 * Numbers from 0 (included) to 1 (not included).
 *
 * @param {...(string | number)} keys the seed, and what the numbers are for
 * @returns {() => number}
 */
export function randomFrom(...keys) {
  let state = digest(keys).readUInt32LE(0);
  // mulberry32
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A UUID of version 4 in form. */
export function uuidFrom(...keys) {
  const bytes = digest(keys).subarray(0, 16);
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

const digest = (keys) => createHash("sha256").update(keys.join("/")).digest();
