/** A second opinion on the signatures of a request that is shown, by Node's own HMAC. */

import { createHmac } from "node:crypto";

/** How old Standard Webhooks lets a request be, in seconds. */
const TOLERANCE_S = 300;

/**
 * What a receiver with this secret would find.
 *
 * @param {{ headers: [string, string][], body: string }} request headers or attributes
 * @param {string | undefined} secret as an endpoint's secret_key: one or several, separated by blanks
 */
export function signatureCheck({ headers, body }, secret, nowS = Date.now() / 1000) {
  const values = new Map(headers.map(([name, value]) => [name.toLowerCase(), value]));
  const standard = values.get("webhook-signature");
  const ofBody = values.get("x-webhook-signature");
  if (standard === undefined && ofBody === undefined) {
    return values.has("webhook-id") ? "none" : "in the body, with the message's attributes";
  }
  if (!secret) return "there; the endpoint's secret is not known here";
  const [id, timestamp] = [values.get("webhook-id"), values.get("webhook-timestamp")];
  const pieces = secret.split(/[ \t\r\n]+/).filter(Boolean);
  const secrets = pieces.length > 1 ? pieces : [secret];
  const signatures = secrets.map((piece) =>
    `v1,${hmac(keyOf(piece), `${id}.${timestamp}.${body}`, "base64")}`
  );
  const isStandard = standard?.split(" ").some((one) => signatures.includes(one));
  const isOfBody = [secrets[0], secret].some((key) => ofBody === `sha256=${hmac(key, body, "hex")}`);
  const age = Math.round(nowS - Number(timestamp));
  const old = Math.abs(age) > TOLERANCE_S ? `, but of ${age} s ago` : "";
  const judged = (isRight) => (isRight ? "right" : "wrong");
  return `webhook-signature ${judged(isStandard)}${old}; X-Webhook-Signature ${judged(isOfBody)}`;
}

function keyOf(secret) {
  const encoded = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret.trim())?.[1];
  return encoded ? Buffer.from(encoded, "base64") : secret;
}

function hmac(key, text, encoding) {
  return createHmac("sha256", key).update(text).digest(encoding);
}
