/** The descriptions that machines read, by the rules of those who made their formats. */

import assert from "node:assert/strict";
import { Ajv, type AnySchemaObject } from "ajv";
import formats from "ajv-formats";
import asyncapi from "@asyncapi/specs/3" with { type: "json" };
import { EVENTS } from "../../stack/events.mjs";
import { danglingReferences, document, schemas, strictAjv, validators } from "../support/schemas.ts";

const OWN = ["webhook.alert", "webhook.test"];
const PYTHON = Deno.env.get("TEST_API_PYTHON");

Deno.test("there is a valid schema for the envelope and for each event, and its example fits", async () => {
  const all = await schemas();
  assert.deepEqual([...all.keys()].sort(), [...EVENTS, ...OWN, "envelope"].sort());
  const envelope = strictAjv().compile(all.get("envelope")!);
  for (const [name, schema] of all) {
    const ajv = strictAjv();
    assert(ajv.validateSchema(schema), `${name}: ${ajv.errorsText()}`);
    assert.equal(schema.$schema, "https://json-schema.org/draft/2020-12/schema");
    if (name === "envelope") continue;
    const validate = ajv.compile(schema);
    const examples = schema.examples as unknown[];
    assert.equal(examples.length, 1);
    for (const example of examples) {
      assert(validate(example), `${name}: ${ajv.errorsText(validate.errors)}`);
      assert(envelope(example), `${name}: ${JSON.stringify(envelope.errors)}`);
    }
  }
});

Deno.test("a body that is wrong does not fit, and one with more keys does", async () => {
  const validate = (await validators()).get("user.registered_event")!;
  const [right] = (await schemas()).get("user.registered_event")!.examples as [Record<string, unknown>];
  const data = right.data as Record<string, unknown>;
  assert(validate({ ...right, more: 1, data: { ...data, payment_id: "pay_1", seat: 7 } }));
  const { payment_id: _, ...unpaid } = data;
  const wrong = {
    "another event": { ...right, event: "user.joined_community" },
    "a key of the data is missing": { ...right, data: unpaid },
    "a number for a text": { ...right, data: { ...data, event_id: 7 } },
    "data is a text": { ...right, data: "event" },
    "no time": { ...right, timestamp: "yesterday" },
    "no request": { ...right, request_id: undefined },
  };
  for (const [what, body] of Object.entries(wrong)) {
    assert.equal(validate(JSON.parse(JSON.stringify(body))), false, what);
  }
});

Deno.test("the AsyncAPI document fits the official schema, and its messages are the events", async () => {
  const described = await document("asyncapi.json");
  // It brings the meta-schema of its own draft.
  const ajv = new Ajv({ strict: false, meta: false, validateSchema: false, allErrors: true });
  formats.default(ajv);
  const validate = ajv.compile(asyncapi as AnySchemaObject);
  assert(validate(described), ajv.errorsText(validate.errors));
  assert.deepEqual(danglingReferences(described), []);
  assert.deepEqual(Object.keys(described.channels.endpoint.messages).sort(), [...EVENTS, ...OWN].sort());
  assert.equal(described.operations.receive.messages.length, EVENTS.length + OWN.length);
  assert.equal(validate({ ...described, operations: { receive: { action: "take" } } }), false);
  // What it says of a body is what the schema of its own says.
  for (const [name, { $schema: _, title: __, ...schema }] of await schemas()) {
    if (name !== "envelope") assert.deepEqual(described.components.schemas[name], schema);
  }
});

Deno.test("the OpenAPI document describes the four functions, and all that it refers to is there", async () => {
  const described = await document("openapi.json");
  const slugs = ["close-expired-discussions", "test-webhook", "webhook-dispatcher", "webhook-health"];
  assert.deepEqual(Object.keys(described.paths).sort(), slugs.map((slug) => `/${slug}`));
  assert.deepEqual(danglingReferences(described), []);
});

Deno.test({
  name: "the OpenAPI document is valid by openapi-spec-validator, which refuses a broken one",
  ignore: !PYTHON,
  fn: async () => {
    const path = new URL("../../docs/openapi.json", import.meta.url).pathname;
    assert.match(await validated(path), /OK/);
    const broken = await document("openapi.json");
    delete broken.paths["/webhook-health"].get.responses["200"].description;
    const file = await Deno.makeTempFile({ suffix: ".json" });
    try {
      await Deno.writeTextFile(file, JSON.stringify(broken));
      assert.doesNotMatch(await validated(file), /OK/);
    } finally {
      await Deno.remove(file);
    }
  },
});

async function validated(path: string): Promise<string> {
  const { stdout } = await new Deno.Command(PYTHON!, {
    args: ["-m", "openapi_spec_validator", "--errors", "all", path],
  }).output();
  return new TextDecoder().decode(stdout);
}
