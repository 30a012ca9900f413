/**
 * The functions' own wiring, with a test's database and variables.
 *
 * @module
 */

import { createRuntime, type Runtime } from "../../functions/_shared/runtime.ts";
import { connect, createStore } from "../../functions/_shared/store.ts";
import type { TestDatabase } from "./database.ts";

export const SECRET_KEY = "sb_secret_for-tests-only";
export const SERVICE_ROLE_KEY = "a-service-role-key-for-tests-only";

/** Receivers are on loopback; delays are exact; a call ends rather than to wait for the next attempt. */
export const TEST_VARIABLES = {
  WEBHOOK_ALLOWED_ADDRESSES: "127.0.0.0/8,::1",
  WEBHOOK_RETRY_JITTER: "0",
  WEBHOOK_RETRY_WAIT: "0s",
};

export function testRuntime(
  database: Pick<TestDatabase, "url" | "store">,
  variables: Record<string, string> = {},
): Runtime {
  const all = variablesFor(database, variables);
  return { ...createRuntime("test", (name) => all[name]), log: () => {}, store: () => database.store };
}

/** As `testRuntime`, with a connection of its own, as the function has it. */
export async function withOwnConnection(
  database: Pick<TestDatabase, "url">,
  body: (runtime: Runtime) => Promise<void>,
  variables: Record<string, string> = {},
): Promise<void> {
  const all = variablesFor(database, variables);
  const sql = connect(database.url);
  const runtime = { ...createRuntime("test", (name) => all[name]), log: () => {} };
  const store = createStore(sql, runtime.settings);
  try {
    await body({ ...runtime, store: () => store });
  } finally {
    // The client waits for ever for a connection that the server has cut at the wrong moment.
    await sql.end({ timeout: 1 });
  }
}

function variablesFor(
  database: Pick<TestDatabase, "url">,
  variables: Record<string, string>,
): Record<string, string> {
  return {
    SUPABASE_DB_URL: database.url,
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: SECRET_KEY }),
    SUPABASE_SERVICE_ROLE_KEY: SERVICE_ROLE_KEY,
    ...TEST_VARIABLES,
    ...variables,
  };
}

/** A call as a scheduler makes it. */
export function post(body?: unknown, headers: Record<string, string> = { apikey: SECRET_KEY }): Request {
  return new Request("http://localhost/function", {
    method: "POST",
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}
