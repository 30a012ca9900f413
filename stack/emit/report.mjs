/** The test tool's answer, for people. */

import { signatureCheck } from "./signatures.mjs";

const MOST_BODY_CHARS = 4_000;

/** Whether what was asked for has come about. */
export function isAsWanted({ total, delivered, dry_run: isDry, tamper, passed, deliveries }) {
  if (isDry) return deliveries.every(({ status }) => status === "planned");
  return tamper === undefined ? delivered === total : passed === true;
}

/** @param {{ secret?: string }} options `secret`: what signs, where it is known here */
export function reportOf(answer, { secret }) {
  const shown = answer.deliveries.map((delivery) => deliveryOf(delivery, secret).join("\n"));
  return [...shown, summaryOf(answer)].join("\n\n");
}

function deliveryOf(delivery, secret) {
  const { request, message, response, found_out_first: first } = delivery;
  const lines = request
    ? [`${request.method} ${request.url}`, ...part(request.headers, request.body)]
    : message
    ? ["message", ...part(message.attributes, message.body)]
    : [];
  if (lines.length > 0) lines.push("");
  const row = (name, text) => lines.push(`${name.padEnd(12)}${text}`);
  row("delivery", `${delivery.delivery_id}${delivery.stored ? "" : ", not stored"}`);
  row("endpoint", delivery.endpoint_id ?? "none: an ad-hoc URL");
  row(
    "secrets",
    delivery.secrets.map(({ fingerprint, kind }) => `${fingerprint} (${kind})`).join(", ") || "none",
  );
  const signed = message ? { headers: message.attributes, body: message.body } : request;
  if (signed) row("signatures", signatureCheck(signed, secret));
  if (first) row("first", `to be found out: ${first}`);
  if (response) {
    row("answer", `${response.status ?? "accepted"} ${cut(response.body)}`.trimEnd());
  }
  row("status", [delivery.status, delivery.error].filter(Boolean).map(printable).join(": "));
  if (delivery.status !== "planned" && request) row("duration", `${delivery.duration_ms} ms`);
  if (delivery.expected && delivery.status !== "planned") {
    row(
      "expected",
      `${delivery.expected}: ${{ true: "it does", false: "it does NOT" }[delivery.passed] ?? "not known"}`,
    );
  }
  return lines;
}

function part(headers, body) {
  return [...headers.map(([name, value]) => `  ${name}: ${value}`), "", `  ${cut(body)}`];
}

function summaryOf({ event_type: event, total, delivered, dry_run: isDry, tamper, deliveries }) {
  const count = (is) => deliveries.filter(is).length;
  if (isDry) {
    return `${event}: ${count(({ status }) => status === "planned")} of ${total} could be sent; nothing was`;
  }
  if (tamper !== undefined) {
    return `${event}, ${tamper} wrong on purpose: ${
      count(({ passed }) => passed === true)
    } of ${total} refused it as they should`;
  }
  return `${event}: ${delivered} of ${total} delivered`;
}

function cut(text) {
  const rest = text.length - MOST_BODY_CHARS;
  return printable(rest > 0 ? `${text.slice(0, MOST_BODY_CHARS)}… (${rest} more; --json shows all)` : text);
}

/** Somebody else's text must not move the cursor. */
function printable(text) {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
