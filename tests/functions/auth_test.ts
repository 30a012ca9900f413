/** Who may call: keys in either header, never a JWT's word. */

import assert from "node:assert/strict";
import { createAuthorizer } from "../../functions/_shared/auth.ts";
import { acceptedKeysFrom } from "../../functions/_shared/env.ts";
import type { Log } from "../../functions/_shared/log.ts";

const SECRET = "sb_secret_abcdefghijklmnopqrstuvwxyz";
const OTHER = "sb_secret_0123456789";
const LEGACY = "header.payload.signature";

function keysFrom(variables: Record<string, string>): { keys: string[]; logged: string[] } {
  const logged: string[] = [];
  const log: Log = (_level, message) => logged.push(message);
  return { keys: acceptedKeysFrom((name) => variables[name], log), logged };
}

const { keys } = keysFrom({
  SUPABASE_SECRET_KEYS: JSON.stringify({ default: SECRET, ci: OTHER }),
  SUPABASE_SERVICE_ROLE_KEY: LEGACY,
});

function isAuthorized(headers: Record<string, string>): boolean {
  return createAuthorizer(keys)(new Request("http://localhost/", { headers }));
}

Deno.test("every configured key is accepted, in either header", () => {
  for (const key of [SECRET, OTHER, LEGACY]) {
    assert(isAuthorized({ apikey: key }));
    assert(isAuthorized({ authorization: `Bearer ${key}` }));
    assert(isAuthorized({ authorization: `bearer  ${key} ` }));
  }
});

Deno.test("clients send a publishable key beside the bearer token", () => {
  assert(isAuthorized({ apikey: "sb_publishable_x", authorization: `Bearer ${LEGACY}` }));
});

Deno.test("headers at odds: one key that is right is enough, whatever the other header says", () => {
  assert(isAuthorized({ apikey: "wrong", authorization: `Bearer ${SECRET}` }));
  assert(isAuthorized({ apikey: SECRET, authorization: "Bearer wrong" }));
  assert(!isAuthorized({ apikey: "wrong", authorization: "Bearer wrong, too" }));
});

Deno.test("nobody else is accepted", () => {
  const part = (value: unknown) => btoa(JSON.stringify(value)).replaceAll("=", "");
  const jwt = (header: unknown, claims: unknown) => `${part(header)}.${part(claims)}.c2lnbmF0dXJl`;
  const hs256 = { alg: "HS256", typ: "JWT" };
  const anon = jwt(hs256, { role: "anon", exp: 4_000_000_000 });
  const forged = jwt(hs256, { role: "service_role", exp: 4_000_000_000 });
  const unsigned = `${part({ alg: "none" })}.${part({ role: "service_role" })}.`;
  const expired = jwt(hs256, { role: "service_role", exp: 1 });
  const refused: Record<string, string>[] = [
    {},
    { apikey: "" },
    { apikey: "sb_publishable_x" },
    { apikey: SECRET.slice(0, -1) },
    { apikey: `${SECRET}x` },
    { apikey: `${SECRET} ${OTHER}` },
    { authorization: SECRET },
    { authorization: `Basic ${SECRET}` },
    { authorization: "Bearer " },
    { apikey: anon, authorization: `Bearer ${anon}` },
    ...[anon, forged, unsigned, expired].flatMap((token) => [
      { apikey: token },
      { authorization: `Bearer ${token}` },
    ]),
    // The shared prefix of both secret keys, and a header with more than one.
    { apikey: "sb_secret_" },
    { apikey: `${SECRET},${SECRET}` },
    { authorization: `Bearer ${SECRET}, Bearer ${SECRET}` },
  ];
  for (const headers of refused) assert(!isAuthorized(headers), JSON.stringify(headers));
});

Deno.test("without keys everybody is refused, and the log says so", () => {
  for (const variables of [{}, { SUPABASE_SECRET_KEYS: "{}", SUPABASE_SERVICE_ROLE_KEY: "" }]) {
    const { keys, logged } = keysFrom(variables);
    assert.deepEqual(logged, ["no_keys"]);
    assert(!createAuthorizer(keys)(new Request("http://localhost/", { headers: { apikey: "x" } })));
  }
});

Deno.test("a malformed key variable is named and the other one still works", () => {
  const { keys, logged } = keysFrom({
    SUPABASE_SECRET_KEYS: "sb_secret_x",
    SUPABASE_SERVICE_ROLE_KEY: LEGACY,
  });
  assert.deepEqual([keys, logged], [[LEGACY], ["secret_keys_ignored"]]);
});
