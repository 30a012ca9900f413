/**
 * What a function works with, wired from the environment: the one place that knows the real parts.
 *
 * @module
 */

import { type Authorizer, createAuthorizer } from "./auth.ts";
import { type Carry, createBatchCarry, createCarry } from "./carry.ts";
import { AddressPolicy, Dispatcher, type Settings } from "./core.ts";
import { acceptedKeysFrom, settingsFrom, type Variable } from "./env.ts";
import { createLog, type Log } from "./log.ts";
import { RequestError } from "./respond.ts";
import { createSend, type Send } from "./send.ts";
import { connect, createStore, type Store } from "./store.ts";
import { createAddressBook } from "./transport/addresses.ts";
import { createFetchTransport } from "./transport/fetch.ts";
import { createHttpTransport } from "./transport/http.ts";
import { createKafkaTransport } from "./transport/kafka.ts";
import { createTracing, type Traced } from "./tracing.ts";

export interface Runtime {
  settings: Settings;
  isAuthorized: Authorizer;
  log: Log;
  /** Remembers how the endpoints fare as long as this isolate lives. */
  dispatcher: Dispatcher;
  /** Throws a RequestError where no database is configured. */
  store: () => Store;
  send: Send;
  carry: Carry;
  /** As the dispatcher that a function runs, for one of other settings. */
  dispatcherOf: (settings: Settings) => { dispatcher: Dispatcher; send: Send; carry: Carry };
  /** Closes the connections that wait for another request. */
  closeConnections: () => void;
  /** Milliseconds since 1970. */
  now: () => number;
  newId: () => string;
  /** Makes a handler whose runs are traced, where OpenTelemetry's variables say so. */
  traced: Traced;
  /** Aborted when the platform is about to stop the isolate, for its CPU time, its memory or its wall clock. */
  stop: AbortSignal;
}

/**
 * A connection that the server cuts while its client is about to write makes the client (postgres 3.4.9, on Deno 2.1.4)
 * throw where nobody can catch it, and that would end the isolate with all that is under way. The query itself fails
 * as it should.
 */
function outliveClientErrors(log: Log): void {
  addEventListener("error", (event) => {
    if (!/[/\\]postgres[/\\]/.test(event.error?.stack ?? "")) return;
    event.preventDefault();
    log("warn", "database_client_failed", { error: String(event.error?.message) });
  });
}

/** The runtime of the function with this name. Connects to nothing yet. */
export function createRuntime(functionName: string, variable: Variable = Deno.env.get): Runtime {
  const log = createLog(functionName);
  const settings = settingsFrom(variable, log);
  outliveClientErrors(log);
  const policy = new AddressPolicy(settings.allowedAddresses);
  const addresses = createAddressBook({ policy });
  const sockets = createHttpTransport({ addresses });
  const isFetch = settings.wire.transport === "fetch";
  const http = isFetch ? createFetchTransport({ addresses }) : sockets;
  const kafka = createKafkaTransport({ addresses });
  const dispatcherOf = (settings: Settings) => {
    const dispatcher = new Dispatcher(settings, variable);
    const parts = { dispatcher, now: Date.now };
    const send = createSend({ ...parts, http: http.send, kafka: kafka.send });
    // `fetch` takes no bytes.
    const carry = isFetch
      ? createBatchCarry({ ...parts, send })
      : createCarry({ ...parts, send, http: sockets.sendBytes });
    return { dispatcher, send, carry };
  };
  const newId = () => crypto.randomUUID();
  let store: Store | undefined;
  return {
    settings,
    isAuthorized: createAuthorizer(acceptedKeysFrom(variable, log)),
    log,
    ...dispatcherOf(settings),
    dispatcherOf,
    store: () => store ??= createStore(connect(databaseUrl(variable)), settings),
    closeConnections: () => {
      http.close();
      kafka.close();
    },
    now: Date.now,
    newId,
    traced: createTracing({ functionName, variable, log, newId }),
    stop: unloading(),
  };
}

function unloading(): AbortSignal {
  const controller = new AbortController();
  addEventListener("beforeunload", () => controller.abort());
  return controller.signal;
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
