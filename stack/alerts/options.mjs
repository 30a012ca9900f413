/** What `npm run alerts` is asked for. */

import { parseArgs } from "node:util";
import { Failure } from "../say.mjs";

export const HELP = `npm run alerts -- COMMAND [OPTIONS]

Who is told when something is the matter with the webhooks. A listener is an endpoint that is subscribed to webhook.alert.

  add slack URL                 https://hooks.slack.com/services/…, an incoming webhook of a Slack app
  add discord URL               https://discord.com/api/webhooks/…
  add teams URL                 the URL of a Teams workflow "When a webhook request is received"
  add mail ADDRESS[,ADDRESS…]   by Resend: RESEND_API_KEY and WEBHOOK_MAIL_FROM have to be set for the functions
  add url URL                   anything else that an endpoint can be: the event as JSON
  list                          who listens
  remove NAME|ID                no more

  --name NAME                   what the listener is called ("alerts to slack", …)
  --secret-env NAME             the variable that holds a secret to sign with, for "add url"
  --db-url URL                  the database: else SUPABASE_DB_URL, else the local stack's

Send a test with: npm run emit -- webhook.alert --endpoint NAME`;

/** The kinds of listeners, and what their targets look like. */
export const KINDS = {
  slack: { form: /^https:\/\/hooks\.slack(-gov)?\.com\/./, expected: "https://hooks.slack.com/services/…" },
  discord: {
    form: /^https:\/\/((ptb|canary)\.)?discord(app)?\.com\/api\/webhooks\/./,
    expected: "https://discord.com/api/webhooks/…",
  },
  teams: {
    form:
      /^https:\/\/[a-z0-9.-]+\.(logic\.azure\.com|api\.powerplatform\.com|webhook\.office\.com)(:443)?\/./,
    expected: "the https:// URL that the workflow shows",
  },
  mail: {
    form: /^mailto:[^\s@,]+@[^\s@,]+(,[^\s@,]+@[^\s@,]+)*$/,
    expected: "an address like ops@example.com",
    url: (target) => target.startsWith("mailto:") ? target : `mailto:${target}`,
  },
  url: { form: /^[a-z]+:\/\/./, expected: "a URL like https://example.com/webhook" },
};

export function readOptions(args, env) {
  const { values, positionals } = parsed(args);
  const [command, ...rest] = positionals;
  if (values.help || command === undefined) return { help: true };
  const common = { name: values.name, databaseUrl: values["db-url"] ?? env.SUPABASE_DB_URL };
  switch (command) {
    case "add":
      return { ...common, ...listener(rest, values, env) };
    case "list":
      return { ...common, ...only(command, rest, 0) };
    case "remove":
      return { ...common, ...only(command, rest, 1), target: rest[0] };
    default:
      throw new Failure(`there is no command ${command}: add, list or remove`);
  }
}

function parsed(args) {
  try {
    const text = { type: "string" };
    return parseArgs({
      args,
      allowPositionals: true,
      options: { help: { type: "boolean" }, name: text, "db-url": text, "secret-env": text },
    });
  } catch (error) {
    throw new Failure(`${error.message}\n\n${HELP}`);
  }
}

function only(command, rest, count) {
  if (rest.length === count) return { command };
  throw new Failure(
    count === 0 ? `${command} takes nothing more` : `${command}: expected a listener's name or id`,
  );
}

function listener(rest, values, env) {
  const [kind, target, more] = rest;
  if (!Object.hasOwn(KINDS, kind ?? "")) {
    throw new Failure(`add: expected one of ${Object.keys(KINDS).join(", ")}, got ${kind ?? "nothing"}`);
  }
  const { form, expected, url = (target) => target } = KINDS[kind];
  // The target itself may be a secret: no message shows it.
  if (!target || more || !form.test(url(target))) throw new Failure(`add ${kind}: expected ${expected}`);
  const variable = values["secret-env"];
  const secret = variable === undefined ? null : env[variable];
  if (secret === undefined || secret === "") throw new Failure(`--secret-env: ${variable} is not set`);
  return { command: "add", kind, url: url(target), secret, name: values.name ?? `alerts to ${kind}` };
}
