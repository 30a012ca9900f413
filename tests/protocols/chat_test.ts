/** Slack, Discord and Teams: what they are sent, by the hosts that they have, and what they say to it. */

import assert from "node:assert/strict";
import { AdaptiveCard, SerializationContext } from "adaptivecards";
import type { RowUpdate } from "../../functions/_shared/core.ts";
import { makeCertificates } from "../support/certificates.ts";
import { discord, slack, teams } from "../support/chats.ts";
import {
  assertDelivered,
  type Deliverer,
  deliveriesTo,
  reasonOf,
  withDeliverer,
} from "../support/deliver.ts";
import { deliveryOf, longAlert, longEvent, NOTICES } from "../support/notices.ts";
import { type Answer, type Receiver, withReceiver } from "../support/receiver.ts";

const SLACK = "hooks.slack.com";
const DISCORD = "discord.com";
const TEAMS = "prod-1.westeurope.logic.azure.com";

const certificates = await makeCertificates([SLACK, DISCORD, TEAMS]);
if (!certificates) console.log("skipped: chats need the program openssl to make certificates");

/** Each chat by its name: the place of a webhook and what answers there. */
const CHATS = {
  slack: { host: SLACK, path: "/services/T0/B0/hidden", answer: slack },
  discord: { host: DISCORD, path: "/api/webhooks/1/hidden", answer: discord },
  teams: { host: TEAMS, path: "/workflows/1/triggers/manual/paths/invoke?sig=hidden", answer: teams },
};

interface Chat {
  /** The URL of its webhook. */
  url: string;
  receiver: Receiver;
  deliver: Deliverer["deliver"];
}

/** Runs with a chat behind its own name: 127.0.0.1 has a certificate for it. */
async function withChat(
  name: keyof typeof CHATS,
  body: (chat: Chat) => Promise<void>,
  answer: Answer = CHATS[name].answer,
): Promise<void> {
  const { ca, cert, key } = certificates!;
  const resolve = () => Promise.resolve(["127.0.0.1"]);
  await withReceiver(answer, async (receiver) => {
    await withDeliverer({ resolve, caCerts: [ca] }, async ({ deliver }) => {
      const { host, path } = CHATS[name];
      await body({ url: `https://${host}:${receiver.port}${path}`, receiver, deliver });
    });
  }, { cert, key });
}

/** Registers a test that a machine can run which makes certificates. */
function chatTest(
  name: keyof typeof CHATS,
  title: string,
  body: (chat: Chat) => Promise<void>,
  ignore = false,
): void {
  Deno.test({
    name: `${name}: ${title}`,
    ignore: ignore || !certificates,
    fn: () => withChat(name, body),
  });
}

for (const name of ["slack", "discord", "teams"] as const) {
  chatTest(name, "alerts and all other events are taken", async ({ url, receiver, deliver }) => {
    for (const vector of NOTICES) {
      assertDelivered(await deliver([deliveryOf(vector, url)]));
      const { text, headers } = receiver.received.at(-1)!;
      assert.deepEqual(JSON.parse(text), vector[name], vector.name);
      assert.equal(headers.get("webhook-id"), vector.delivery_id);
      assert.equal(headers.get("idempotency-key"), vector.delivery_id);
      assert.match(headers.get("traceparent")!, /^00-4bf92f3577b34da6a3ce929d0e0e4736-/);
      assert.deepEqual([headers.get("webhook-signature"), headers.get("x-webhook-signature")], [null, null]);
    }
  });

  chatTest(name, "what is too long or means something is taken", async ({ url, receiver, deliver }) => {
    assertDelivered(await deliver([longAlert(url), longEvent(url)]));
    assert.equal(receiver.received.length, 2);
  });
}

Deno.test("slack: the stand-in refuses what Slack refuses", async () => {
  const said = async (body: unknown) => {
    const text = JSON.stringify(body);
    const headers = new Headers({ "content-type": "application/json" });
    const request = { method: "POST", path: "/", headers, body: new TextEncoder().encode(text), text };
    const answer = await slack(request, 1);
    return [answer.status, await answer.text()];
  };
  const { blocks } = NOTICES[0]!.slack;
  const header = (text: string) => ({ type: "header", text: { type: "plain_text", text } });
  const field = { type: "mrkdwn", text: "x" };
  assert.deepEqual(await said({ text: "x", blocks }), [200, "ok"]);
  assert.deepEqual(await said({ blocks }), [400, "no_text"]);
  assert.deepEqual(await said(NOTICES[0]!.envelope), [400, "invalid_payload"]);
  const wrong = [
    [],
    Array(51).fill(blocks[0]),
    [header("")],
    [header("x".repeat(151))],
    [{ type: "header", text: { type: "mrkdwn", text: "x" } }],
    [{ type: "section" }],
    [{ type: "section", text: { type: "mrkdwn", text: "x".repeat(3_001) } }],
    [{ type: "section", text: { type: "mrkdwn", text: "<!channel>" } }],
    [{ type: "section", fields: Array(11).fill(field) }],
    [{ type: "section", fields: [{ type: "mrkdwn", text: "x".repeat(2_001) }] }],
    [{ type: "context", elements: [] }],
    [{ type: "card" }],
  ];
  for (const blocks of wrong) {
    assert.deepEqual(await said({ text: "x", blocks }), [400, "invalid_blocks"], JSON.stringify(blocks));
  }
});

const python = Deno.env.get("TEST_PYTHON");
chatTest("slack", "Slack's own library finds the blocks valid", async ({ url, receiver, deliver }) => {
  for (const vector of NOTICES) assertDelivered(await deliver([deliveryOf(vector, url)]));
  assertDelivered(await deliver([longAlert(url), longEvent(url)]));
  const long = { blocks: [{ type: "header", text: { type: "plain_text", text: "x".repeat(151) } }] };
  const lines = [...receiver.received.map(({ text }) => text), JSON.stringify(long)];
  const script = new URL("../support/slack_blocks.py", import.meta.url).pathname;
  const child = new Deno.Command(python!, { args: [script], stdin: "piped", stdout: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(lines.join("\n")));
  await writer.close();
  const said = new TextDecoder().decode((await child.output()).stdout).trim().split("\n");
  assert.deepEqual(said.slice(0, -1), Array(7).fill("valid"));
  assert.match(said.at(-1)!, /150/);
}, !python);

chatTest("teams", "Microsoft's own library knows all of a card", async ({ url, receiver, deliver }) => {
  for (const vector of NOTICES) assertDelivered(await deliver([deliveryOf(vector, url)]));
  assertDelivered(await deliver([longAlert(url), longEvent(url)]));
  const eventsOf = (card: unknown) => {
    const [read, context] = [new AdaptiveCard(), new SerializationContext()];
    read.parse(card, context);
    const events = Array.from({ length: context.eventCount }, (_, n) => context.getEventAt(n).message);
    return { events, json: read.toJSON() };
  };
  for (const { text } of receiver.received) {
    const card = JSON.parse(text).attachments[0].content;
    const { events, json } = eventsOf(card);
    assert.deepEqual(events, []);
    // What the library does not know is lost on the way.
    assert.deepEqual(json, card);
  }
  const wrong = { type: "AdaptiveCard", version: "1.4", body: [{ type: "RichText" }] };
  assert.equal(eventsOf(wrong).events.length, 1);
});

Deno.test({
  name: "slack: what it answers is judged as every receiver's answer is",
  ignore: !certificates,
  fn: async (t) => {
    const cases: [number, string, HeadersInit, string, RowUpdate["disposition"]][] = [
      [400, "invalid_blocks", {}, "HTTP 400; attempt 1 of 5, next in 2 s", "retrying"],
      [403, "action_prohibited", {}, "HTTP 403; attempt 1 of 5, next in 2 s", "retrying"],
      [404, "no_service", {}, "HTTP 404; attempt 1 of 5, next in 2 s", "retrying"],
      [410, "channel_is_archived", {}, "HTTP 410; the receiver wants no more deliveries", "exhausted"],
      [
        429,
        "rate_limited",
        { "retry-after": "7" },
        "HTTP 429, asked to wait 7 s; attempt 1 of 16, next in 7 s",
        "retrying",
      ],
      [500, "rollup_error", {}, "HTTP 500; attempt 1 of 16, next in 2 s", "retrying"],
    ];
    for (const [status, text, headers, message, disposition] of cases) {
      await t.step(`${status} ${text}`, async () => {
        await withChat("slack", async ({ url, deliver }) => {
          const [update] = await deliver([deliveryOf(NOTICES[0]!, url)]);
          assert.deepEqual(
            [update!.error_message, update!.response_body, update!.disposition],
            [message, text, disposition],
          );
        }, () => new Response(text, { status, headers }));
      });
    }
  },
});

Deno.test("a format is chosen where the host does not tell it, and the envelope where it does", async () => {
  await withReceiver(slack, async (receiver) => {
    await withDeliverer({}, async ({ deliver }) => {
      assertDelivered(
        await deliver([deliveryOf(NOTICES[0]!, `${receiver.url}/hooks/1#format=slack&rate=9/s`)]),
      );
      assert.equal(receiver.received[0]!.path, "/hooks/1");
      const [plain] = await deliver(deliveriesTo(`${receiver.url}/hooks/1`, 1));
      assert.equal(reasonOf(plain), "HTTP 400");
      const [wrong] = await deliver(deliveriesTo(`${receiver.url}/#format=irc`, 1));
      assert.equal(
        wrong!.error_message,
        'not sent: url: option format "irc" is not valid; expected plain, slack, discord or teams',
      );
    });
  });
});
