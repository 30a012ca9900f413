/**
 * Resend's API as its OpenAPI description and its pages on errors and idempotency have it
 * (github.com/resend/resend-openapi; resend.com/docs/api-reference).
 *
 * @module
 */

import { type Receiver, withReceiver } from "./receiver.ts";

export const API_KEY = "re_hidden_123456789";
/** Resend sends from its customers' verified domains alone. */
export const VERIFIED = "example.com";

export interface Mail {
  id: string;
  idempotencyKey: string | null;
  body: Record<string, unknown>;
}

export interface Resend extends Receiver {
  /** What was taken, each once. */
  mails: Mail[];
  /** The next answers, instead of its own. */
  failures: Response[];
}

/** Runs with a stand-in, and stops it afterwards. */
export async function withResend(body: (resend: Resend) => Promise<void>): Promise<void> {
  const mails: Mail[] = [];
  const failures: Response[] = [];
  await withReceiver(({ method, path, headers, text }) => {
    const failure = failures.shift();
    if (failure) return failure;
    if (method !== "POST" || path !== "/emails") return error(405, "method_not_allowed", "no such method");
    const authorization = headers.get("authorization");
    if (!authorization) return error(401, "missing_api_key", "Missing API key in the authorization header");
    if (authorization !== `Bearer ${API_KEY}`) {
      // It repeats what it was sent, as one should not.
      return error(403, "invalid_api_key", `API key is invalid: ${authorization.replace("Bearer ", "")}`);
    }
    if (!headers.get("user-agent")) return error(403, "forbidden", "User-Agent is missing");
    if (headers.get("content-type") !== "application/json") {
      return error(400, "validation_error", "no JSON");
    }
    const idempotencyKey = headers.get("idempotency-key");
    if (idempotencyKey !== null && (idempotencyKey.length < 1 || idempotencyKey.length > 256)) {
      return error(400, "invalid_idempotency_key", "The key must be between 1-256 chars");
    }
    const mail = JSON.parse(text);
    const wrong = wrongField(mail);
    if (wrong) return error(422, "validation_error", `The \`${wrong}\` field is invalid`);
    const domain = /@([^@>]+)>?$/.exec(mail.from)?.[1];
    if (domain !== VERIFIED) {
      return error(
        403,
        "validation_error",
        `The ${domain} domain is not verified. Please, add and verify it`,
      );
    }
    const known = mails.find((known) => idempotencyKey && known.idempotencyKey === idempotencyKey);
    if (known && JSON.stringify(known.body) !== JSON.stringify(mail)) {
      return error(409, "invalid_idempotent_request", "Same idempotency key used with a different payload");
    }
    const id = known?.id ?? crypto.randomUUID();
    if (!known) mails.push({ id, idempotencyKey, body: mail });
    return Response.json({ id });
  }, async (receiver) => await body({ ...receiver, mails, failures }));
}

/** Its form of errors. */
export function error(
  statusCode: number,
  name: string,
  message: string,
  headers: HeadersInit = {},
): Response {
  return Response.json({ statusCode, name, message }, { status: statusCode, headers });
}

type Check = (value: unknown) => boolean;

/** `SendEmailRequest`, but for what this project never sends. */
const FIELDS: Record<string, Check> = {
  from: (value) => isAddress(value, true),
  to: (value) =>
    isAddress(value) ||
    Array.isArray(value) && value.length >= 1 && value.length <= 50 && value.every((to) => isAddress(to)),
  subject: (value) => isText(value) && !/[\r\n]/.test(value as string),
  html: isText,
  text: isText,
  headers: (value) =>
    isObject(value) &&
    Object.entries(value).every(([name, text]) => /^[!-9;-~]+$/.test(name) && /^[ -~]+$/.test(String(text))),
  tags: (value) =>
    Array.isArray(value) &&
    value.every((tag) =>
      isObject(tag) && Object.keys(tag).sort().join() === "name,value" &&
      Object.values(tag).every((text) => /^[A-Za-z0-9_-]{1,256}$/.test(String(text)))
    ),
};
const REQUIRED = ["from", "to", "subject"];

/** The name of the first field that is wrong. */
function wrongField(mail: unknown): string | undefined {
  if (!isObject(mail)) return "body";
  const missing = REQUIRED.find((name) => !(name in mail));
  if (missing) return missing;
  if (!("html" in mail || "text" in mail)) return "html";
  return Object.keys(mail).find((name) => !FIELDS[name]?.(mail[name]));
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value.length > 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isAddress(value: unknown, withName = false): boolean {
  if (typeof value !== "string" || /[\r\n]/.test(value)) return false;
  const address = withName ? /^[^<>]+ <([^<>]+)>$/.exec(value)?.[1] ?? value : value;
  return /^[^\s@<>,]+@[^\s@<>,]+\.[a-z]+$/i.test(address);
}
