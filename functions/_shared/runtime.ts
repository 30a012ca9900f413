/**
 * What a function works with, wired from the environment: the one place that knows the real parts.
 *
 * @module
 */

import { type Authorizer, createAuthorizer } from "./auth.ts";
import { Dispatcher, retryDelaysMs, type Settings } from "./core.ts";
import { acceptedKeysFrom, settingsFrom, type Variable } from "./env.ts";
import { createLog, type Log } from "./log.ts";
import { RequestError } from "./respond.ts";
import { connect, createStore, type Store } from "./store.ts";
import { createHttpTransport, type Send } from "./transport/http.ts";

export interface Runtime {
  settings: Settings;
  isAuthorized: Authorizer;
  log: Log;
  /** Plans and settles by the settings' policy. */
  dispatcher: Dispatcher;
  /** Throws a RequestError where no database is configured. */
  store: () => Store;
  send: Send;
  /** Closes the connections that wait for another request. */
  closeConnections: () => void;
  /** Milliseconds since 1970. */
  now: () => number;
  newId: () => string;
}

/** The runtime of the function with this name. Connects to nothing yet. */
export function createRuntime(functionName: string, variable: Variable = Deno.env.get): Runtime {
  const log = createLog(functionName);
  const settings = settingsFrom(variable, log);
  const transport = createHttpTransport({ addresses });
  let store: Store | undefined;
  return {
    settings,
    isAuthorized: createAuthorizer(acceptedKeysFrom(variable, log)),
    log,
    dispatcher: new Dispatcher(settings.maxAttempts, settings.requestTimeoutMs),
    store: () =>
      store ??= createStore(connect(databaseUrl(variable)), {
        leaseMs: settings.leaseMs,
        retryDelaysMs: [...retryDelaysMs()],
      }),
    send: transport.send,
    closeConnections: transport.close,
    now: Date.now,
    newId: () => crypto.randomUUID(),
  };
}

/** All of a host's. Deno 2.1.4 wants Node's types in the lock file for a module that it sees imported. */
async function addresses(host: string): Promise<string[]> {
  const module = "node:dns/promises";
  const { lookup } = await import(module);
  const found: { address: string }[] = await lookup(host.replace(/^\[(.*)\]$/, "$1"), { all: true });
  return found.map(({ address }) => address);
}

/** Never shows the URL: it holds the database's password. */
function databaseUrl(variable: Variable): string {
  const url = variable("SUPABASE_DB_URL");
  const wrong = (what: string) =>
    new RequestError(500, "configuration", `SUPABASE_DB_URL ${what}; the hosted platform sets it by itself.`);
  if (!url) throw wrong("is not set: elsewhere, set it to a postgresql:// URL");
  if (!isPostgresUrl(url)) {
    throw wrong("is no valid postgresql:// URL: percent-encode special characters in the password");
  }
  return url;
}

function isPostgresUrl(text: string): boolean {
  try {
    const { protocol, hostname, username, password } = new URL(text);
    decodeURIComponent(username + password);
    return /^postgres(ql)?:$/.test(protocol) && hostname !== "";
  } catch {
    return false;
  }
}
