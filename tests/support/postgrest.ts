/**
 * The edge of a Supabase project's API, as far as an RPC goes: the key, the role, and PostgREST's answers. It runs the
 * function in a real database, in the role that the token says.
 *
 * @module
 */

import type postgres from "postgres";

export interface FakeApi {
  url: string;
  /** What came: method and path, headers, body. */
  requests: { line: string; headers: Headers; body: string }[];
}

export const PUBLISHABLE_KEY = "sb_publishable_for-tests-only";

/** Runs with an API on loopback. The token of a signed-in user is `user:` and the id; a key alone is nobody in particular. */
export async function withFakeApi(sql: postgres.Sql, body: (api: FakeApi) => Promise<void>): Promise<void> {
  const requests: FakeApi["requests"] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    const text = await request.text();
    requests.push({ line: `${request.method} ${pathname}`, headers: request.headers, body: text });
    // The gateway's own answer has no code.
    if (request.headers.get("apikey") !== PUBLISHABLE_KEY) return answer(401, { message: "Invalid API key" });
    const [, name] = /^\/rest\/v1\/rpc\/(\w+)$/.exec(pathname) ?? [];
    if (!name || request.method !== "POST") return new Response("<h1>404</h1>", { status: 404 });
    if (!request.headers.get("content-type")?.startsWith("application/json")) {
      return answer(415, { code: "PGRST102", message: "Content-Type not acceptable" });
    }
    const bearer = request.headers.get("authorization")?.replace(/^Bearer /, "") ?? "";
    if (bearer === "expired") return answer(401, { code: "PGRST303", message: "JWT expired" });
    const [, user = null] = /^user:(.+)$/.exec(bearer) ?? [];
    return await call(sql, name, JSON.parse(text), user);
  });
  try {
    await body({ url: `http://127.0.0.1:${server.addr.port}`, requests });
  } finally {
    await server.shutdown();
  }
}

/** As PostgREST: a transaction in the caller's role, arguments by name. */
async function call(sql: postgres.Sql, name: string, args: Record<string, unknown>, user: string | null) {
  const names = Object.keys(args);
  const known = ["event_type", "event_data", "actor_user_id"];
  if (name !== "dispatch_webhook" || names.some((name) => !known.includes(name))) {
    const message = `Could not find the function public.${name}(${names.join(", ")}) in the schema cache`;
    return answer(404, { code: "PGRST202", message });
  }
  const values = names.map((name) => name === "event_data" ? JSON.stringify(args[name]) : String(args[name]));
  const list = names.map((name, at) => {
    const type = { event_data: "jsonb", actor_user_id: "uuid" }[name] ?? "text";
    return `${name} => $${at + 1}::text::${type}`;
  });
  try {
    await sql.begin(async (tx) => {
      await tx`select set_config('request.jwt.claims', ${JSON.stringify({ sub: user })}, true)`;
      await tx.unsafe(`set local role ${user ? "authenticated" : "anon"}`);
      await tx.unsafe(`select public.dispatch_webhook(${list.join(", ")})`, values);
    });
    return new Response(null, { status: 204 });
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return answer(code === "42501" ? (user ? 403 : 401) : 400, { code, message, details: null, hint: null });
  }
}

function answer(status: number, body: unknown): Response {
  return Response.json(body, { status });
}
