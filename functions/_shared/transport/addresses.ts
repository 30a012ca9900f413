/**
 * The addresses to connect to, instead of names: a name is resolved once, all of its addresses are judged, and the
 * connection goes to one of these, so that the name cannot lead elsewhere in between.
 *
 * @module
 */

import type { AddressPolicy } from "../core.ts";

/**
 * The addresses of a URL's host, all of them judged, IPv4 first: at once where they are known. Throws or rejects with the
 * policy's `AddressError` where the host must not be called, and rejects with a plain `Error` where its name cannot be
 * resolved now.
 */
export type AddressBook = (host: string) => readonly string[] | Promise<readonly string[]>;

/** Finds all addresses of a name. */
export type Resolve = (name: string) => Promise<string[]>;

export interface AddressBookOptions {
  policy: Pick<AddressPolicy, "judgeHost" | "judgeResolved">;
  resolve?: Resolve;
  /** Milliseconds since 1970. */
  now?: () => number;
  /** How long a judged answer is used, in milliseconds. */
  ttlMs?: number;
}

interface Entry {
  addresses: readonly string[];
  expiresAt: number;
}

/** More names than one run of the dispatcher calls; a bound for functions that live long. */
const MOST_ENTRIES = 1_000;

export function createAddressBook(
  { policy, resolve = resolveBySystem, now = Date.now, ttlMs = 30_000 }: AddressBookOptions,
): AddressBook {
  // In the order in which they expire, as a Map keeps that of insertion.
  const known = new Map<string, Entry>();
  const underWay = new Map<string, Promise<readonly string[]>>();

  const keep = (name: string, entry: Entry) => {
    known.delete(name);
    known.set(name, entry);
    for (const oldest of known.keys()) {
      if (known.size <= MOST_ENTRIES) break;
      known.delete(oldest);
    }
    return entry.addresses;
  };

  const look = async (name: string) => {
    const addresses = await resolve(name).catch((error) => {
      throw new Error(`${name} cannot be resolved: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    });
    policy.judgeResolved(name, addresses);
    const sorted = [...addresses.filter(isIpv4), ...addresses.filter((address) => !isIpv4(address))];
    return keep(name, { addresses: Object.freeze(sorted), expiresAt: now() + ttlMs });
  };

  const lookOnce = (name: string) => {
    const looking = underWay.get(name) ?? look(name).finally(() => underWay.delete(name));
    underWay.set(name, looking);
    return looking;
  };

  return (host) => {
    const judged = known.get(host);
    if (judged && now() < judged.expiresAt) return judged.addresses;
    const address = policy.judgeHost(host);
    // What is an address by itself is judged once and for all.
    if (address !== undefined) {
      return keep(host, { addresses: Object.freeze([address]), expiresAt: Infinity });
    }
    // As the policy reads it: the case and a dot at the end make no other name.
    const name = host.toLowerCase().replace(/\.$/, "");
    const entry = known.get(name);
    return entry && now() < entry.expiresAt ? entry.addresses : lookOnce(name);
  };
}

/** What the system's resolver finds, as `fetch` would ask it: host file and search domains included, both families. */
async function resolveBySystem(name: string): Promise<string[]> {
  // Deno 2.1.4 wants Node's types in the lock file for a module that it sees imported.
  const module = "node:dns/promises";
  const { lookup } = await import(module);
  const found: { address: string }[] = await lookup(name, { all: true, verbatim: true });
  return found.map(({ address }) => address);
}

function isIpv4(address: string): boolean {
  return !address.includes(":");
}
