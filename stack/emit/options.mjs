/** What `npm run emit` is told, and the request that comes of it. */

import { parseArgs } from "node:util";
import { EVENTS } from "../events.mjs";
import { Failure } from "../say.mjs";

/** All events that can be tested. */
export const KNOWN = [...EVENTS, "webhook.test", "webhook.alert"];

const TAMPERS = ["signature", "timestamp", "body", "missing"];

export const HELP = `npm run emit -- EVENT [OPTIONS]

Sends a test event to endpoints, or to a URL that is no endpoint yet, and shows request and answer. EVENT is one of
--list; without options a sample goes to all active endpoints that are subscribed to it.

  --endpoint NAME_OR_ID   to this endpoint alone, on or off
  --to URL                to this URL, of any protocol; nothing is stored
  --secret-env NAME       what signs it: the variable that holds the secret (EMIT_SECRET)
  --secret SECRET         the same on the command line, where other users of this machine may see it
  --data JSON             the event's data, instead of the sample
  --set KEY=VALUE         one key of the data; VALUE is JSON or else text; may be repeated
  --dry-run               shows what would be sent; nothing is stored and nothing is sent
  --tamper HOW            makes the request wrong: ${TAMPERS.join(", ")}. A good receiver refuses it
  --json                  the answer as it comes, as one line
  --url URL               where the functions are: https://YOUR_PROJECT_REF.supabase.co/functions/v1
  --key KEY               their key; rather set SUPABASE_SECRET_KEY, which no other user sees
  --list                  shows the events

Without --url it is the local stack of npm start, if that is up, or else the project of SUPABASE_URL with
SUPABASE_SECRET_KEY or SUPABASE_SERVICE_ROLE_KEY.

Ends with 0 if all was delivered; with --tamper, if it was refused as it should be; with --dry-run, if it can be sent.`;

const OPTIONS = {
  endpoint: { type: "string" },
  to: { type: "string" },
  "secret-env": { type: "string" },
  secret: { type: "string" },
  data: { type: "string" },
  set: { type: "string", multiple: true, default: [] },
  "dry-run": { type: "boolean", default: false },
  tamper: { type: "string" },
  json: { type: "boolean", default: false },
  url: { type: "string" },
  key: { type: "string" },
  list: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
};

/** What npm keeps for itself where the two dashes are missing, and what must not be sent without it. */
const DECISIVE = ["endpoint", "to", "secret-env", "secret", "data", "set", "dry-run", "tamper"];

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * @param {string[]} args
 * @param {Record<string, string | undefined>} env
 */
export function readOptions(args, env) {
  const { values, positionals } = parse(args);
  if (values.help || values.list) return values;
  for (const name of DECISIVE) {
    if (
      env[`npm_config_${name.replaceAll("-", "_")}`] !== undefined && !args.some((arg) => isOf(arg, name))
    ) {
      throw new Failure(
        `npm has kept --${name} for itself: write it with two dashes between: npm run emit -- …`,
      );
    }
  }
  const [event, ...more] = positionals;
  if (event === undefined) {
    throw new Failure("which event? npm run emit -- EVENT; --list shows them, --help the rest");
  }
  if (more.length > 0) throw new Failure(`one event at a time: what is ${JSON.stringify(more[0])}?`);
  if (!KNOWN.includes(event)) throw new Failure(`there is no event ${event}; there are ${KNOWN.join(", ")}`);
  if (values.endpoint !== undefined && values.to !== undefined) {
    throw new Failure("--endpoint, --to: give one of them");
  }
  if (values.tamper !== undefined && !TAMPERS.includes(values.tamper)) {
    throw new Failure(`--tamper: expected ${TAMPERS.join(", ")}, got ${values.tamper}`);
  }
  if (values.url !== undefined && !(/^https?:\/\//.test(values.url) && URL.canParse(values.url))) {
    throw new Failure("--url: expected a URL like https://YOUR_PROJECT_REF.supabase.co/functions/v1");
  }
  const secret = secretOf(values, env);
  return { ...values, event, secret, body: bodyOf(event, values, secret) };
}

function parse(args) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new Failure(`${error.message.split("\n")[0]} --help shows all options`);
  }
}

function isOf(arg, name) {
  return arg === `--${name}` || arg.startsWith(`--${name}=`);
}

/** Never shown: neither here nor by what is called. */
function secretOf(values, env) {
  const name = values["secret-env"];
  if (values.secret !== undefined && name !== undefined) {
    throw new Failure("--secret, --secret-env: give one of them");
  }
  const isTold = values.secret !== undefined || name !== undefined;
  if (values.to === undefined) {
    if (isTold) throw new Failure("--secret belongs to --to: an endpoint has a secret of its own");
    return undefined;
  }
  if (values.secret !== undefined) return values.secret;
  const secret = env[name ?? "EMIT_SECRET"];
  if (name !== undefined && !secret) throw new Failure(`--secret-env: the variable ${name} is not set`);
  return secret || undefined;
}

/** JSON as text: a number arrives as it was written. */
function bodyOf(event, values, secret) {
  const { endpoint, to, data, set, tamper } = values;
  const fields = [["event_type", JSON.stringify(event)]];
  if (endpoint !== undefined) {
    fields.push([UUID.test(endpoint) ? "endpoint_id" : "endpoint", JSON.stringify(endpoint)]);
  }
  if (to !== undefined) fields.push(["url", JSON.stringify(to)]);
  if (secret !== undefined) fields.push(["secret", JSON.stringify(secret)]);
  if (data !== undefined) fields.push(["event_data", objectText(data)]);
  if (set.length > 0) fields.push(["event_data_override", joined(set.map(pair))]);
  if (values["dry-run"]) fields.push(["dry_run", "true"]);
  if (tamper !== undefined) fields.push(["tamper", JSON.stringify(tamper)]);
  return joined(fields);
}

function joined(fields) {
  return `{${fields.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(",")}}`;
}

function objectText(text) {
  const value = json(text);
  if (value === undefined || value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new Failure(`--data: expected a JSON object like '{"community_id": "…"}'`);
  }
  return text;
}

function pair(text) {
  const at = text.indexOf("=");
  if (at < 1) throw new Failure(`--set: expected KEY=VALUE, got ${JSON.stringify(text)}`);
  const value = text.slice(at + 1);
  return [text.slice(0, at), json(value) === undefined ? JSON.stringify(value) : value];
}

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
