/** SQS and Lambda, against services that verify signatures; boto3 reads what has arrived. */

import assert from "node:assert/strict";
import type { ClaimedRow } from "../../functions/_shared/core.ts";
import { type Part, partTest } from "../support/brokers.ts";
import { assertDelivered, deliveriesTo, reasonOf, verified, withDeliverer } from "../support/deliver.ts";

interface Message {
  Body: string;
  Attributes: Record<string, string>;
  MessageAttributes: Record<string, { StringValue: string }>;
}

const credentialsOf = ({ about }: Part) => ({
  AWS_ACCESS_KEY_ID: about.accessKeyId!,
  AWS_SECRET_ACCESS_KEY: about.secretAccessKey!,
});

const urlOf = ({ about }: Part, queue: string, options = "") =>
  `sqs://${queue}?region=${about.region}&endpoint=${about.endpoint}${options}`;

const attributesOf = ({ MessageAttributes }: Message) =>
  Object.fromEntries(Object.entries(MessageAttributes).map(([name, { StringValue }]) => [name, StringValue]));

/** Each row arrived once, verifies, and is the text that the row holds. */
function assertArrived(rows: ClaimedRow[], messages: Message[]): void {
  assert.equal(messages.length, rows.length);
  for (const row of rows) {
    const own = messages.filter((message) => attributesOf(message)["webhook-id"] === row.id);
    assert.equal(own.length, 1, row.id);
    const [message] = own as [Message];
    assert(message.Body.startsWith(row.payload!.slice(0, -1)), message.Body);
    assert.equal(verified(message.Body, attributesOf(message)).idempotency_key, row.id);
    const { event_type, traceparent } = attributesOf(message);
    assert.equal(event_type, row.event_type);
    assert.match(traceparent!, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  }
}

for (const kind of ["sqs", "moto"] as const) {
  partTest(kind, `deliveries reach queues of SQS in batches of ten (${kind})`, async (part) => {
    const url: string = await part.ask("queue", { name: "orders" });
    const variables = {
      ...credentialsOf(part),
      ...(kind === "moto" && { AWS_SESSION_TOKEN: "a-session-token" }),
    };
    await withDeliverer({ variables }, async ({ deliver, requests }) => {
      const rows = deliveriesTo(urlOf(part, "orders"), 23);
      assertDelivered(await deliver(rows));
      // Its URL is looked up once for all batches.
      const targets = requests.map(({ head }) => /X-Amz-Target: AmazonSQS\.(\w+)/.exec(head)?.[1]);
      assert.deepEqual(targets, ["GetQueueUrl", ...Array(3).fill("SendMessageBatch")]);
      assertArrived(rows, await part.ask("receive", { url, count: 23 }));

      // The same queue by its account, as the plan's other form has it.
      const account = new URL(url).pathname.split("/")[1];
      const byAccount = `sqs://sqs.us-east-1.amazonaws.com/${account}/orders?endpoint=${part.about.endpoint}`;
      const more = deliveriesTo(byAccount, 2);
      assertDelivered(await deliver(more));
      assert.equal(requests.length, 5);
      assertArrived(more, await part.ask("receive", { url, count: 2 }));
    });
  });
}

partTest(
  "sqs",
  "a FIFO queue keeps an actor's deliveries in order and knows a repeated one",
  async (part) => {
    const url: string = await part.ask("queue", { name: "orders.fifo", attributes: { FifoQueue: "true" } });
    await withDeliverer({ variables: credentialsOf(part) }, async ({ deliver }) => {
      const rows = deliveriesTo(urlOf(part, "orders.fifo"), 6);
      assertDelivered(await deliver(rows));
      // As after a crash between sending and writing: the queue has it already.
      assertDelivered(await deliver(rows.slice(0, 1)));
      const messages: Message[] = await part.ask("receive", { url, count: 6 });
      assertArrived(rows, messages);
      const groups = messages.map(({ Attributes }) => Attributes.MessageGroupId);
      assert.deepEqual([...new Set(groups)].sort(), ["user-0", "user-1", "user-2"]);
      for (const message of messages) {
        assert.equal(message.Attributes.MessageDeduplicationId, attributesOf(message)["webhook-id"]);
      }
      const ofFirst = messages.filter(({ Attributes }) => Attributes.MessageGroupId === "user-0");
      assert.deepEqual(ofFirst.map((message) => attributesOf(message)["webhook-id"]), [
        rows[0]!.id,
        rows[3]!.id,
      ]);
    });
  },
);

partTest("sqs", "what the service refuses is a reason in the row", async (part, t) => {
  const url: string = await part.ask("queue", { name: "orders" });
  const byAccount = `sqs://sqs.us-east-1.amazonaws.com${
    new URL(url).pathname
  }?endpoint=${part.about.endpoint}`;
  const refused = async (
    options: Parameters<typeof withDeliverer>[0],
    pattern: RegExp,
    target = byAccount,
  ) => {
    await withDeliverer({ variables: credentialsOf(part), ...options }, async ({ deliver }) => {
      const [update] = await deliver(deliveriesTo(target, 1));
      assert.match(reasonOf(update), pattern);
    });
  };
  await t.step("a wrong secret", () =>
    refused(
      { variables: { ...credentialsOf(part), AWS_SECRET_ACCESS_KEY: "wrong" } },
      /^SQS: HTTP 403 \w*Signature\w*: /,
    ));
  await t.step("a body that was altered on its way", () =>
    refused(
      { tamper: (request) => ({ ...request, body: request.body.replace("order.paid", "order.lost") }) },
      /^SQS: HTTP 403 \w*Signature\w*: /,
    ));
  await t.step(
    "a clock that is 20 minutes late",
    () => refused({ now: () => Date.now() - 20 * 60_000 }, /^SQS: HTTP 4\d\d \w+: /),
  );
  await t.step(
    "a queue that does not exist",
    () =>
      refused(
        {},
        /^SQS: HTTP 400 \w*(NonExistentQueue|QueueDoesNotExist)/,
        byAccount.replace("/orders?", "/other?"),
      ),
  );
  await t.step("no credentials", () =>
    refused(
      { variables: {} },
      /^not sent: credentials: AWS_ACCESS_KEY_ID is not set; set it to the id of an access key$/,
    ));
  await t.step(
    "a named set that is missing",
    () =>
      refused(
        {},
        /^not sent: credentials: WEBHOOK_CREDENTIALS_BILLING is not set/,
        `${byAccount}&credentials=billing`,
      ),
  );
  await t.step("nothing of that has arrived", async () => {
    await part.ask("send", { url, body: "last" });
    const messages: Message[] = await part.ask("receive", { url, count: 1 });
    assert.deepEqual(messages.map(({ Body }) => Body), ["last"]);
  });
});

partTest("sqs", "a queue that was deleted waits, and is found again when it is there again", async (part) => {
  const url: string = await part.ask("queue", { name: "orders" });
  await withDeliverer({ variables: credentialsOf(part) }, async ({ deliver }) => {
    assertDelivered(await deliver(deliveriesTo(urlOf(part, "orders"), 1)));
    await part.ask("delete", { url });
    const [update] = await deliver(deliveriesTo(urlOf(part, "orders"), 1));
    assert.match(reasonOf(update), /^not sent: queue lookup: there is no queue orders in us-east-1 /);
  });
  await withDeliverer({ variables: credentialsOf(part) }, async ({ deliver }) => {
    const again: string = await part.ask("queue", { name: "orders" });
    const rows = deliveriesTo(urlOf(part, "orders"), 1);
    assertDelivered(await deliver(rows));
    assertArrived(rows, await part.ask("receive", { url: again, count: 1 }));
  });
});

partTest("sqs", "a function of Lambda gets an event that it can verify", async (part) => {
  await part.ask("function", { name: "hook" });
  await withDeliverer({ variables: credentialsOf(part) }, async ({ deliver }) => {
    const rows = deliveriesTo(`lambda://hook?region=${part.about.region}&endpoint=${part.about.endpoint}`, 2);
    const updates = await deliver(rows);
    assertDelivered(updates);
    assert.deepEqual(updates.map(({ response_status }) => response_status), [202, 202]);
    const events: { headers: Record<string, string>; body: string }[] = await part.ask("events", {
      count: 2,
    });
    for (const row of rows) {
      const event = events.find(({ headers }) => headers["webhook-id"] === row.id)!;
      assert.equal(verified(event.body, event.headers).idempotency_key, row.id);
      assert(event.body.startsWith(row.payload!.slice(0, -1)), event.body);
    }
    const missing = `lambda://missing?region=${part.about.region}&endpoint=${part.about.endpoint}`;
    assert.match(reasonOf((await deliver(deliveriesTo(missing, 1)))[0]), /^Lambda: HTTP 404/);
  });
});
