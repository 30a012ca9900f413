/**
 * `npm run emit`: a test event from the command line. See `--help`. It needs Node alone.
 */

import { join } from "node:path";
import { HELP, KNOWN, readOptions } from "./emit/options.mjs";
import { isAsWanted, reportOf } from "./emit/report.mjs";
import { isAlive, readJson } from "./leftovers.mjs";
import { ROOT } from "./processes.mjs";
import { Failure, run, say } from "./say.mjs";

/** Longer than any time-out that an endpoint may have. */
const PATIENCE_MS = 150_000;

await run(async () => {
  const options = readOptions(process.argv.slice(2), process.env);
  if (options.help) return console.log(HELP);
  if (options.list) return console.log(KNOWN.join("\n"));
  const { url, key } = await functionsOf(options, process.env);
  const text = await call(`${url}/test-webhook`, key, options.body);
  const answer = JSON.parse(text);
  console.log(options.json ? text : reportOf(answer, options));
  process.exitCode = isAsWanted(answer) ? 0 : 1;
});

/** Where the functions are, and the key for them: as told, or the local stack's, or the variables'. */
async function functionsOf({ url, key }, env) {
  const stack = await readJson(join(ROOT, ".local/stack.json"));
  const isUp = stack.process !== undefined && isAlive(stack.process);
  const own = env.SUPABASE_SECRET_KEY || env.SUPABASE_SERVICE_ROLE_KEY;
  if (url) {
    const stacks = isUp && new URL(url).origin === stack.api_url ? stack.secret_key : undefined;
    return withKey(url, key ?? stacks ?? own);
  }
  if (isUp) {
    say(`the local stack, ${stack.api_url}`);
    return withKey(functionsUrl(stack.api_url), key ?? stack.secret_key);
  }
  if (!env.SUPABASE_URL) {
    throw new Failure(
      "no local stack is up: npm start starts one; or set SUPABASE_URL and SUPABASE_SECRET_KEY for a hosted project",
    );
  }
  if (!URL.canParse(env.SUPABASE_URL)) {
    throw new Failure("SUPABASE_URL: expected a URL like https://YOUR_PROJECT_REF.supabase.co");
  }
  return withKey(functionsUrl(env.SUPABASE_URL), key ?? own);
}

function functionsUrl(projectUrl) {
  return `${projectUrl.replace(/\/+$/, "")}/functions/v1`;
}

function withKey(url, key) {
  if (key) return { url: url.replace(/\/+$/, ""), key };
  throw new Failure(`there is no key for ${url}: set SUPABASE_SECRET_KEY or SUPABASE_SERVICE_ROLE_KEY`);
}

/** Returns the answer's text as it is: its numbers are nobody's to round. */
async function call(url, key, body) {
  const headers = { apikey: key, "content-type": "application/json" };
  const signal = AbortSignal.timeout(PATIENCE_MS);
  let response, text;
  try {
    response = await fetch(url, { method: "POST", headers, body, signal });
    text = await response.text();
  } catch (error) {
    throw new Failure(
      `${url} does not answer: ${error.cause?.message || error.cause?.code || error.message}`,
    );
  }
  const said = parsed(text);
  if (response.ok && Array.isArray(said?.deliveries)) return text;
  if (response.status === 401) {
    throw new Failure(
      `${url} refuses the key (401): SUPABASE_SECRET_KEY or --key must hold one of the project's`,
    );
  }
  const message = said?.error?.message ?? said?.message ?? text.slice(0, 200);
  throw new Failure(
    response.status === 400 || said?.error ? message : `${url} answered ${response.status}: ${message}`,
  );
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
