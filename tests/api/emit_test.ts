/** The helper of the application's side: from `emit` to the row, through supabase-js and without it. */

import assert from "node:assert/strict";
import { createClient } from "@supabase/supabase-js";
import { type Api, emit, EmitError, type RpcClient, type WebhookEvent } from "../../clients/emit.ts";
import { databaseTest, deliveries, insertEndpoint, type TestDatabase } from "../support/database.ts";
import { closedPort } from "../support/receiver.ts";
import { type FakeApi, PUBLISHABLE_KEY, withFakeApi } from "../support/postgrest.ts";
import { validators } from "../support/schemas.ts";

const USER = "5b0c2b1e-6a55-4b8e-9d3f-2f4f7f0a1c01";
const EVENT: WebhookEvent = {
  event_type: "user.joined_community",
  event_data: { community_id: "c", community_name: "Zoë's 🎲", community_city: "Zürich", member_count: 42 },
  actor_user_id: USER,
};

/** A client for a signed-in user, or for nobody. */
function clientOf({ url }: FakeApi, token?: string, key = PUBLISHABLE_KEY) {
  if (token !== undefined) return createClient(url, key, { accessToken: () => Promise.resolve(token) });
  // It would go on to look after a session.
  const auth = { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false };
  return createClient(url, key, { auth });
}

/** Both ways to call. */
function callers(api: FakeApi, token?: string, key = PUBLISHABLE_KEY): Record<string, RpcClient | Api> {
  return { "supabase-js": clientOf(api, token, key), fetch: { url: api.url, key, token } };
}

/** An endpoint that subscribes, and the API before the database. */
function emitTest(name: string, body: (api: FakeApi, database: TestDatabase) => Promise<void>): void {
  databaseTest(name, async (database) => {
    await insertEndpoint(database.sql, { url: "https://a.example/", events: [EVENT.event_type] });
    await withFakeApi(database.sql, (api) => body(api, database));
  });
}

async function failureOf(to: RpcClient | Api, event = EVENT): Promise<EmitError> {
  try {
    await emit(to, event);
  } catch (error) {
    assert(error instanceof EmitError, String(error));
    assert.equal(error.name, "EmitError");
    assert.equal(error.eventType, event.event_type);
    assert(error.message.startsWith("user.joined_community was not emitted: "), error.message);
    return error;
  }
  throw new Error("it was emitted");
}

for (const way of ["supabase-js", "fetch"]) {
  emitTest(`a signed-in user's event becomes a delivery (${way})`, async (api, { sql }) => {
    assert.equal(await emit(callers(api, `user:${USER}`)[way]!, EVENT), undefined);
    assert.equal((await deliveries(sql)).length, 1);
    const [row] = await sql`select event_type, status, payload from public.webhook_deliveries`;
    assert.deepEqual([row!.event_type, row!.status], ["user.joined_community", "pending"]);
    assert.deepEqual(row!.payload.data, EVENT.event_data);
    assert.equal(row!.payload.actor_user_id, USER);
    const fits = (await validators()).get("user.joined_community")!;
    assert(fits(row!.payload), JSON.stringify(fits.errors));

    const [request, ...more] = api.requests;
    assert.equal(more.length, 0);
    assert.equal(request!.line, "POST /rest/v1/rpc/dispatch_webhook");
    assert.equal(request!.headers.get("apikey"), PUBLISHABLE_KEY);
    assert.equal(request!.headers.get("authorization"), `Bearer user:${USER}`);
    assert.deepEqual(JSON.parse(request!.body), EVENT);
  });

  emitTest(`without an actor there is none, and the key says who calls (${way})`, async (api, { sql }) => {
    const { actor_user_id: _, ...event } = EVENT;
    await emit(callers(api)[way]!, event);
    await emit(callers(api)[way]!, { ...event, actor_user_id: undefined });
    await emit(callers(api)[way]!, { ...event, actor_user_id: null });
    const rows = await sql`select payload->'actor_user_id' as actor from public.webhook_deliveries`;
    assert.deepEqual(rows.map(({ actor }) => actor), [null, null, null]);
    for (const { headers, body } of api.requests) {
      assert.equal(headers.get("authorization"), `Bearer ${PUBLISHABLE_KEY}`);
      assert.deepEqual(JSON.parse(body), event);
    }
  });

  emitTest(`what is wrong is named, and nothing is inserted (${way})`, async (api, { sql }) => {
    const user = callers(api, `user:${USER}`)[way]!;
    const noUuid = await failureOf(user, { ...EVENT, actor_user_id: "ada" });
    assert.match(noUuid.message, /actor_user_id is no UUID: .*"ada" \(22P02\)$/);

    const expired = await failureOf(callers(api, "expired")[way]!);
    assert.match(expired.message, /token is not accepted; sign in again: JWT expired \(PGRST303\)$/);

    const wrongKey = await failureOf(callers(api, undefined, "sb_publishable_other")[way]!);
    assert.match(wrongKey.message, /the key is not accepted: Invalid API key \(HTTP 401\)$/);
    assert.equal(wrongKey.code, "HTTP 401");
    assert(!wrongKey.message.includes("sb_publishable_other"));

    await sql`revoke execute on function public.dispatch_webhook from public, authenticated`;
    const forbidden = await failureOf(user);
    assert.match(forbidden.message, /no permission; .* needs execute .*: permission denied .* \(42501\)$/);
    assert.equal(forbidden.code, "42501");

    const nobody = await failureOf(callers({ ...api, url: `http://127.0.0.1:${closedPort()}` })[way]!);
    assert.match(nobody.message, /was not emitted: ./);
    assert.equal((await deliveries(sql)).length, 0);
  });
}

emitTest(
  "a function that is not there, a page for an answer and a missing key are named, too",
  async (api) => {
    const client = clientOf(api);
    const unknown = { rpc: (_: string, args: object) => client.rpc("dispatch_webhooks", args) };
    const missing = await failureOf(unknown);
    assert.match(missing.message, /there is no function public\.dispatch_webhook\(.*\(PGRST202\)$/);

    const elsewhere = await failureOf({ url: `${api.url}/elsewhere`, key: PUBLISHABLE_KEY });
    assert.match(elsewhere.message, /HTTP 404$/);
    assert.match((await failureOf({ url: api.url, key: "" })).message, /key: expected a key of the project/);
    // A slash at the end of the URL is as good as none.
    await emit({ url: `${api.url}/`, key: PUBLISHABLE_KEY }, EVENT);
  },
);

emitTest("a client that throws by itself is heard, too", async (api) => {
  const client = clientOf(api, "expired");
  const throwing = { rpc: (name: string, args: object) => client.rpc(name, args).throwOnError() };
  assert.match((await failureOf(throwing)).message, /sign in again: JWT expired \(PGRST303\)$/);
});
