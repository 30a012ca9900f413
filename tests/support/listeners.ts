/**
 * Three who listen to alerts: one gets the event as JSON, one is Slack, one gets mail by Resend. All must be told the same.
 *
 * @module
 */

import assert from "node:assert/strict";
import { alertEvent } from "../../functions/_shared/core.ts";
import { slack } from "./chats.ts";
import { insertEndpoint, type TestDatabase } from "./database.ts";
import { withReceiver } from "./receiver.ts";
import { API_KEY, withResend } from "./resend.ts";

/** An alert's data. */
export interface AlertData {
  cause: string;
  state: "firing" | "reminder" | "resolved";
  severity: "critical" | "warning";
  endpoint: { id: string; name: string } | null;
  title: string;
  summary: string;
  action: string;
  figures: Record<string, number>;
  since: string;
}

export interface Listeners {
  /** What the functions need to reach them. */
  variables: Record<string, string>;
  /** What all three have been told since the last time. */
  heard: () => AlertData[];
}

export async function withListeners(
  { sql }: Pick<TestDatabase, "sql">,
  body: (listeners: Listeners) => Promise<void>,
): Promise<void> {
  await withReceiver(undefined, async (json) => {
    await withReceiver(slack, async (chat) => {
      await withResend(async (resend) => {
        const events = [alertEvent()];
        await insertEndpoint(sql, { name: "on call", url: json.url, events });
        await insertEndpoint(sql, { name: "chat", url: `${chat.url}/#format=slack`, events });
        await insertEndpoint(sql, { name: "mail", url: "mailto:ops@example.com", events });
        const variables = {
          RESEND_API_KEY: API_KEY,
          RESEND_BASE_URL: resend.url,
          WEBHOOK_MAIL_FROM: "Alerts <alerts@example.com>",
        };
        const heard = () => {
          const alerts = json.received.splice(0).map(({ text }) => dataOf(text));
          const chats = chat.received.splice(0).map(({ text }) => text);
          const mails = resend.mails.splice(0).map(({ body }) => body);
          assert.deepEqual([chats.length, mails.length], [alerts.length, alerts.length]);
          for (const alert of alerts) {
            const chatted = chats.find((text) => text.includes(textOf(titleOf(alert))));
            assertSlack(alert, JSON.parse(chatted ?? assert.fail(`Slack was not told: ${alert.title}`)));
            const mailed = mails.find(({ subject }) => subject === titleOf(alert));
            assertMail(alert, mailed ?? assert.fail(`nobody was mailed: ${alert.title}`));
          }
          return alerts;
        };
        await body({ variables, heard });
      });
    });
  });
}

function dataOf(text: string): AlertData {
  const envelope = JSON.parse(text);
  assert.equal(envelope.event, alertEvent());
  assert.match(envelope.timestamp, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.deepEqual(
    Object.keys(envelope).sort(),
    ["actor_user_id", "alert", "data", "event", "idempotency_key", "request_id", "timestamp", "trace_id"],
  );
  return envelope.data;
}

const MARKS = { critical: "🔴 ", warning: "🟠 ", reminder: "🔁 Still firing: ", resolved: "✅ Resolved: " };

function titleOf({ state, severity, title }: AlertData): string {
  return `${MARKS[state === "firing" ? severity : state]}${title}`;
}

/** A text as it stands within JSON. */
const textOf = (text: string) => JSON.stringify(text).slice(1, -1);

/** The stand-in has taken it, so it is of Slack's form; this is what it says. */
function assertSlack(alert: AlertData, { text, blocks }: { text: string; blocks: Block[] }): void {
  assert.equal(text, `${titleOf(alert)}: ${alert.summary}`);
  const [header, summary, ...rest] = blocks;
  assert.deepEqual([header?.type, header?.text?.text], ["header", titleOf(alert)]);
  assert.deepEqual([summary?.type, summary?.text?.text], ["section", alert.summary]);
  const fields = rest.flatMap(({ fields = [] }) => fields.map(({ text }) => text));
  const expected = Object.entries(alert.figures).map(([name, figure]) =>
    `*${name.replaceAll("_", " ")}*\n${figure}`
  );
  assert.deepEqual(fields.sort(), expected.sort());
  const advice = rest.find(({ text }) => text?.text.startsWith("*What to do next*"))?.text?.text;
  assert.equal(advice, alert.state === "resolved" ? undefined : `*What to do next*\n${alert.action}`);
  const context = blocks.at(-1)?.elements?.map(({ text }) => text).join() ?? "";
  for (const shown of [alert.severity, alert.since, alert.endpoint?.name ?? ""]) {
    assert(context.includes(shown));
  }
}

interface Block {
  type: string;
  text?: { text: string };
  fields?: { text: string }[];
  elements?: { text: string }[];
}

/** The stand-in has taken it, so it is of Resend's form; this is what it says. */
function assertMail(alert: AlertData, mail: Record<string, unknown>): void {
  assert.deepEqual([mail.to, mail.from], [["ops@example.com"], "Alerts <alerts@example.com>"]);
  assert.equal(mail.subject, titleOf(alert));
  const text = String(mail.text);
  for (const said of [alert.summary, alert.since, ...Object.values(alert.figures).map(String)]) {
    assert(text.includes(said), `${said} is not in\n${text}`);
  }
  assert.equal(text.includes(alert.action), alert.state !== "resolved");
}
