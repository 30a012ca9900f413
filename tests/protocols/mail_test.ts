/** Mail, through Resend: what is sent, what its answers mean, and whose key goes where. */

import assert from "node:assert/strict";
import type { CreateEmailOptions } from "resend";
import type { RowUpdate } from "../../functions/_shared/core.ts";
import { createHandler as createTestHandler } from "../../functions/test-webhook/handler.ts";
import { createHandler } from "../../functions/webhook-dispatcher/handler.ts";
import { databaseTest, deliveries, insertEndpoint } from "../support/database.ts";
import { assertDelivered, deliveriesTo, reasonOf, withDeliverer } from "../support/deliver.ts";
import { deliveryOf, longAlert, longEvent, NOTICES } from "../support/notices.ts";
import { post, testRuntime } from "../support/runtime.ts";
import { API_KEY, error, type Resend, withResend } from "../support/resend.ts";

const URL_OF_VECTORS = "mailto:ops@example.com,dev@example.com";

const variablesOf = (resend: Resend) => ({
  RESEND_API_KEY: API_KEY,
  RESEND_BASE_URL: resend.url,
  WEBHOOK_MAIL_FROM: "Alerts <alerts@example.com>",
});

/** What became of one delivery, with these variables beside the usual ones. */
async function deliverOne(
  resend: Resend,
  variables: Record<string, string | undefined> = {},
  url = "mailto:ops@example.com",
): Promise<RowUpdate> {
  const all = Object.entries({ ...variablesOf(resend), ...variables });
  const set = Object.fromEntries(all.filter((pair): pair is [string, string] => pair[1] !== undefined));
  let update: RowUpdate | undefined;
  await withDeliverer({ variables: set }, async ({ deliver }) => {
    [update] = await deliver(deliveriesTo(url, 1));
  });
  return update!;
}

Deno.test("alerts and all other events are mailed as HTML and as text", async () => {
  await withResend(async (resend) => {
    await withDeliverer({ variables: variablesOf(resend) }, async ({ deliver }) => {
      for (const vector of NOTICES) {
        // Each is a delivery of its own.
        const id = crypto.randomUUID();
        const [update] = await deliver([deliveryOf({ ...vector, delivery_id: id }, URL_OF_VECTORS)]);
        assertDelivered([update!]);
        const mail = resend.mails.at(-1)!;
        assert.equal(mail.idempotencyKey, id);
        assert.equal(update!.response_body, JSON.stringify({ id: mail.id }));
        const expected = JSON.stringify(vector.mail).replaceAll(vector.delivery_id, id);
        assert.deepEqual(mail.body, JSON.parse(expected), vector.name);
      }
      assertDelivered(await deliver([longAlert(URL_OF_VECTORS), longEvent(URL_OF_VECTORS)]));
    });
    assert.equal(resend.mails.length, 7);
  });
});

Deno.test("the stand-in takes what Resend's own library sends, and refuses the rest", async () => {
  await withResend(async (resend) => {
    Deno.env.set("RESEND_BASE_URL", resend.url);
    try {
      const { Resend } = await import("resend");
      const mail = NOTICES[0]!.mail as unknown as CreateEmailOptions;
      const sent = async (key: string, changes: object = {}) => {
        const { error } = await new Resend(key).emails.send({ ...mail, ...changes }, { idempotencyKey: "k" });
        return error?.name ?? "sent";
      };
      assert.equal(await sent(API_KEY), "sent");
      assert.equal(await sent(API_KEY), "sent");
      assert.deepEqual(resend.mails.map(({ body }) => body), [mail]);
      assert.equal(await sent(API_KEY, { subject: "another" }), "invalid_idempotent_request");
      assert.equal(await sent("re_other"), "invalid_api_key");
      for (
        const changes of [
          { from: "alerts@other.example" },
          { to: Array(51).fill("ops@example.com") },
          { to: "ops@example.com\r\nBcc: x@y.example" },
          { subject: "a\r\nBcc: x@y.example" },
          { tags: [{ name: "event", value: "webhook.alert" }] },
          { headers: { "X-A": "a\r\nBcc: x@y.example" } },
        ]
      ) {
        assert.equal(await sent(API_KEY, changes), "validation_error", JSON.stringify(changes));
      }
    } finally {
      Deno.env.delete("RESEND_BASE_URL");
    }
  });
});

Deno.test("a delivery that is sent again makes no second mail", async () => {
  await withResend(async (resend) => {
    let now = Date.now();
    await withDeliverer({ variables: variablesOf(resend), now: () => now }, async ({ deliver }) => {
      const [row] = deliveriesTo("mailto:ops@example.com", 1);
      assertDelivered(await deliver([row!]));
      // As where the answer was lost: another attempt, at another time.
      now += 60_000;
      assertDelivered(await deliver([{ ...row!, attempt: 2 }]));
    });
    assert.equal(resend.received.length, 2);
    assert.equal(resend.mails.length, 1);
  });
});

Deno.test("what Resend refuses is a reason that names the remedy, and no key", async () => {
  await withResend(async (resend) => {
    const key = "set RESEND_API_KEY to an API key that may send";
    const from = "to an address of a domain that is verified at Resend";
    const refused = async (
      message: string,
      variables: Record<string, string | undefined> = {},
      url?: string,
    ) => {
      const update = await deliverOne(resend, variables, url);
      assert.equal(reasonOf(update), message);
      assert(!JSON.stringify(update).includes("hidden"), JSON.stringify(update));
      return update;
    };
    const { error_message } = await refused(
      `Resend: HTTP 403 invalid_api_key: API key is invalid: (not shown); ${key}`,
      { RESEND_API_KEY: "re_hidden_other" },
    );
    assert.match(error_message!, /; attempt 1 of 5, next in /);
    await refused(
      `Resend: HTTP 403 validation_error: The other.example domain is not verified. Please, add and verify it; ` +
        `set WEBHOOK_MAIL_FROM ${from}`,
      { WEBHOOK_MAIL_FROM: "a@other.example" },
    );
    await refused(
      `Resend: HTTP 403 validation_error: The other.example domain is not verified. Please, add and verify it; ` +
        `set the option from ${from}`,
      {},
      "mailto:ops@example.com?from=a@other.example",
    );
    await refused(
      "not sent: credentials: RESEND_API_KEY is not set; set it to an API key of Resend",
      { RESEND_API_KEY: undefined },
    );
    await refused(
      `not sent: credentials: WEBHOOK_MAIL_FROM is not set; set it ${from}`,
      { WEBHOOK_MAIL_FROM: undefined },
    );
    await refused(
      "not sent: credentials: RESEND_BASE_URL is not valid; expected an https URL, such as https://api.resend.com",
      { RESEND_BASE_URL: "http://hidden.example" },
    );
    await refused(
      'not sent: credentials: WEBHOOK_CREDENTIALS_TEAM is not set; set it to {"api_key","from"}',
      {},
      "mailto:ops@example.com?credentials=team",
    );
    assert.equal(resend.mails.length, 0);
  });
});

Deno.test("a named set has a key and a sender of its own", async () => {
  await withResend(async (resend) => {
    const set = JSON.stringify({ api_key: API_KEY, from: "team@example.com" });
    const variables = { RESEND_API_KEY: "re_hidden_other", WEBHOOK_CREDENTIALS_TEAM: set };
    assertDelivered([await deliverOne(resend, variables, "mailto:ops@example.com?credentials=team")]);
    assert.equal(resend.mails[0]!.body.from, "team@example.com");
  });
});

Deno.test("limits and outages pass", async () => {
  await withResend(async (resend) => {
    const cases: [Response, RegExp, number | null][] = [
      [
        error(429, "rate_limit_exceeded", "Too many requests", { "retry-after": "3" }),
        /^HTTP 429, asked to wait 3 s; trace [0-9a-f]{32}; attempt 1 of 16, next in 3 s$/,
        429,
      ],
      [
        error(429, "daily_quota_exceeded", "You have reached your daily email quota"),
        /^Resend: HTTP 429 daily_quota_exceeded: You have reached .*; trace [0-9a-f]{32}; attempt 1 of 16/,
        429,
      ],
      [
        error(409, "concurrent_idempotent_requests", "in progress"),
        /^Resend: HTTP 409 concurrent_idempotent_requests: in progress; trace [0-9a-f]{32}; attempt 1 of 16/,
        null,
      ],
      [
        error(409, "invalid_idempotent_request", "another payload"),
        /^Resend: HTTP 409 invalid_idempotent_request: another payload; trace [0-9a-f]{32}; attempt 1 of 5/,
        null,
      ],
      [
        error(422, "validation_error", "no"),
        /^Resend: HTTP 422 validation_error: no; trace [0-9a-f]{32}; attempt 1 of 5/,
        null,
      ],
      [
        error(500, "application_error", "oh"),
        /^Resend: HTTP 500 application_error: oh; trace [0-9a-f]{32}; attempt 1 of 16/,
        null,
      ],
    ];
    for (const [failure, message, status] of cases) {
      resend.failures.push(failure);
      const update = await deliverOne(resend);
      assert.match(update.error_message!, message);
      assert.equal(update.response_status, status);
    }
    assert.equal(resend.mails.length, 0);
  });
});

databaseTest("an alert in the table becomes a mail, and the test tool shows no key", async (database) => {
  await withResend(async (resend) => {
    const { sql } = database;
    const endpoint = await insertEndpoint(sql, {
      url: "mailto:ops@example.com",
      events: ["webhook.alert", "webhook.test"],
    });
    const { data } = NOTICES[0]!.envelope;
    await sql`select public.dispatch_webhook('webhook.alert', ${JSON.stringify(data)}::text::jsonb)`;
    const runtime = testRuntime(database, variablesOf(resend));
    const summary = await (await createHandler(runtime)(post())).json();
    assert.deepEqual([summary.processed, summary.failed], [1, 0]);
    const [row] = await deliveries(sql);
    assert.equal(row!.response_body, JSON.stringify({ id: resend.mails[0]!.id }));
    assert.equal(resend.mails[0]!.body.subject, NOTICES[0]!.mail.subject);

    const answer = await (await createTestHandler(runtime)(post({ endpoint_id: endpoint }))).text();
    assert(!answer.includes("hidden"), answer);
    const { deliveries: [tested] } = JSON.parse(answer);
    assert.equal(Object.fromEntries(tested.request.headers).Authorization, "(not shown)");
    assert.equal(JSON.parse(tested.request.body).subject, "webhook.test");
    assert.equal(resend.mails.length, 2);
  });
});
