/** The four functions, each in a process of its own, and the gateway before them. */

import { spawn } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { createServer, request as httpRequest } from "node:http";
import { join } from "node:path";
import { end } from "./cleanup.mjs";
import { ROOT } from "./processes.mjs";
import { DENO_ENV } from "./programs.mjs";
import { Failure } from "./say.mjs";

export const FUNCTIONS = [
  "webhook-dispatcher",
  "close-expired-discussions",
  "webhook-health",
  "test-webhook",
];

/** New keys, of the forms that the platform has: a secret key, and a service role key, which is a JWT. */
export function createKeys() {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: "supabase", role: "service_role", iat: now, exp: now + 10 * 365 * 86_400 };
  const unsigned = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  const signature = createHmac("sha256", randomBytes(32)).update(unsigned).digest("base64url");
  return {
    secretKey: `sb_secret_${randomBytes(24).toString("base64url")}`,
    serviceRoleKey: `${unsigned}.${signature}`,
  };
}

/** The variables that the platform gives its functions, and leave to call this machine's receivers. */
export function functionEnv({ databaseUrl, keys }) {
  return {
    SUPABASE_DB_URL: databaseUrl,
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: keys.secretKey }),
    SUPABASE_SERVICE_ROLE_KEY: keys.serviceRoleKey,
    WEBHOOK_ALLOWED_ADDRESSES: "127.0.0.0/8,::1",
  };
}

/**
 * Starts one function, as a user starts it.
 *
 * @param {import("./cleanup.mjs").Cleanup} cleanup ends it
 * @param {string} name
 * @param {ProgramOptions} options
 * @returns {Promise<number>} its port
 */
export function startFunction(cleanup, name, options) {
  return startProgram(cleanup, name, join(ROOT, "functions", name, "index.ts"), options);
}

/**
 * Starts a TypeScript program that listens on PORT and says so as `Deno.serve` does.
 *
 * @param {import("./cleanup.mjs").Cleanup} cleanup ends it
 * @param {string} name for its errors
 * @param {string} entry the program's file
 * @param {ProgramOptions} options
 * @returns {Promise<number>} its port
 *
 * @typedef {{ deno: string, env: Record<string, string>, onLine: (line: string) => void,
 *   onSpawn: (pid: number) => Promise<void> }} ProgramOptions
 */
export async function startProgram(cleanup, name, entry, { deno, env, onLine, onSpawn }) {
  const child = spawn(deno, ["run", "--no-prompt", "--allow-env", "--allow-net", entry], {
    cwd: ROOT,
    env: { ...process.env, ...DENO_ENV, ...env, PORT: "0" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const port = new Promise((resolve, reject) => {
    let shown = "";
    let rest = "";
    const read = (data) => {
      if (shown.length < 10_000) shown += data;
      const lines = (rest + data).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const listening = /^Listening on http:\/\/[^/]*:(\d+)/.exec(line);
        if (listening) resolve(Number(listening[1]));
        else onLine(line);
      }
    };
    child.stdout.setEncoding("utf8").on("data", read);
    child.stderr.setEncoding("utf8").on("data", read);
    child.once("error", (error) => reject(new Failure(`${name} did not start: ${error.message}`)));
    child.once("exit", () => reject(new Failure(`${name} did not start:\n${shown.trim()}`)));
  });
  await Promise.all([cleanup.add(() => end(child, "SIGTERM")), onSpawn(child.pid), port]);
  return await port;
}

/**
 * `/functions/v1/NAME` to the function's own port, as the platform does it.
 *
 * @param {number} port
 * @param {Map<string, number>} ports by function
 */
export function startGateway(port, ports) {
  const server = createServer((incoming, answer) => {
    const [, name, rest = ""] = /^\/functions\/v1\/([^/?]+)(.*)$/.exec(incoming.url ?? "") ?? [];
    const to = ports.get(name);
    const fail = (status, message) => {
      answer.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ message }));
    };
    if (!to) return fail(404, "no such function");
    const { method, headers } = incoming;
    const forwarded = httpRequest({ host: "127.0.0.1", port: to, path: `/${name}${rest}`, method, headers });
    forwarded.on("response", (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    forwarded.on(
      "error",
      () => (answer.headersSent ? answer.destroy() : fail(502, `${name} does not answer`)),
    );
    incoming.pipe(forwarded);
  });
  return listen(server, port, "the functions");
}

/** Listens on loopback; a port in use is one clear line. */
export function listen(server, port, what) {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(error.code === "EADDRINUSE" ? portInUse(port, what) : error));
    server.listen(port, "127.0.0.1", () =>
      resolve({
        port: server.address().port,
        stop: () => {
          server.closeAllConnections();
          return new Promise((closed) => server.close(closed));
        },
      }));
  });
}

/** Whether nothing listens on a loopback port. */
export async function isFree(port) {
  const server = createServer();
  try {
    await (await listen(server, port, "")).stop();
    return true;
  } catch {
    return false;
  }
}

export function portInUse(port, what) {
  return new Failure(
    `port ${port} for ${what} is in use: stop what uses it, or choose another (npm start -- --help)`,
  );
}
