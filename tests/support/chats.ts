/**
 * Slack, Discord and Teams as their documentation has them: they take what is right and say what is wrong.
 *
 * @module
 */

import type { Answer, Received } from "./receiver.ts";

/** A check that fails with what the service would say. */
class Refused extends Error {}

function check(condition: unknown, said: string): asserts condition {
  if (!condition) throw new Refused(said);
}

type Json = Record<string, unknown>;

/** Answers 200 to what `accepts` lets pass, and else 400 with what it says. */
function strict(accepts: (body: Json) => void, taken: () => Response): Answer {
  return ({ method, headers, text }: Received) => {
    try {
      check(method === "POST", "invalid_method");
      check(headers.get("content-type") === "application/json", "invalid_payload");
      accepts(parsed(text));
      return taken();
    } catch (error) {
      if (error instanceof Refused) return new Response(error.message, { status: 400 });
      throw error;
    }
  };
}

function parsed(text: string): Json {
  try {
    const body = JSON.parse(text);
    check(typeof body === "object" && body !== null && !Array.isArray(body), "invalid_payload");
    return body;
  } catch {
    throw new Refused("invalid_payload");
  }
}

const keysOf = (value: unknown, allowed: string[]): value is Json =>
  typeof value === "object" && value !== null && Object.keys(value).every((key) => allowed.includes(key));
const isText = (value: unknown, most: number, least = 1): value is string =>
  typeof value === "string" && value.length >= least && value.length <= most;
const isList = (value: unknown, most: number, least = 1): value is unknown[] =>
  Array.isArray(value) && value.length >= least && value.length <= most;

/** https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and the Block Kit reference. */
export const slack: Answer = strict((body) => {
  check(keysOf(body, ["text", "blocks"]), "invalid_payload");
  check(isText(body.text, 40_000), "no_text");
  check(isMrkdwn(body.text), "invalid_payload");
  check(isList(body.blocks, 50) && body.blocks.every(isBlock), "invalid_blocks");
}, () => new Response("ok"));

function isBlock(block: unknown): boolean {
  if (!keysOf(block, ["type", "text", "fields", "elements"])) return false;
  if (block.type === "header") {
    return keysOf(block, ["type", "text"]) && isTextObject(block.text, 150, ["plain_text"]);
  }
  if (block.type === "section") {
    if (!keysOf(block, ["type", "text", "fields"]) || !("text" in block || "fields" in block)) return false;
    return (!("text" in block) || isTextObject(block.text, 3_000)) &&
      (!("fields" in block) ||
        isList(block.fields, 10) && block.fields.every((field) => isTextObject(field, 2_000)));
  }
  return block.type === "context" && keysOf(block, ["type", "elements"]) &&
    isList(block.elements, 10) && block.elements.every((element) => isTextObject(element, 3_000));
}

function isTextObject(text: unknown, most: number, types = ["plain_text", "mrkdwn"]): boolean {
  if (!keysOf(text, ["type", "text", "emoji", "verbatim"]) || !types.includes(text.type as string)) {
    return false;
  }
  if ("emoji" in text && text.type !== "plain_text" || "verbatim" in text && text.type !== "mrkdwn") {
    return false;
  }
  return isText(text.text, most) && (text.type === "plain_text" || isMrkdwn(text.text));
}

/** Angle brackets are for links and mentions, an ampersand for the three entities: ours has none of the former. */
const isMrkdwn = (text: string) => !/[<>]|&(?!amp;|lt;|gt;)/.test(text);

/** https://discord.com/developers/docs/resources/message, embed limits. */
export const discord: Answer = strict((body) => {
  const say = (what: string) => JSON.stringify({ code: 50035, message: `Invalid Form Body: ${what}` });
  check(keysOf(body, ["embeds", "allowed_mentions"]), say("unknown"));
  check(JSON.stringify(body.allowed_mentions) === '{"parse":[]}', say("allowed_mentions"));
  check(isList(body.embeds, 10), say("embeds"));
  let all = 0;
  const counted = (text: unknown, most: number, least = 1) => {
    all += typeof text === "string" ? text.length : 0;
    return isText(text, most, least);
  };
  for (const embed of body.embeds) {
    check(keysOf(embed, ["title", "description", "color", "fields", "footer"]), say("embed"));
    check(counted(embed.title, 256), say("title"));
    check(counted(embed.description, 4_096, 0), say("description"));
    check(Number.isInteger(embed.color) && Number(embed.color) <= 0xffffff, say("color"));
    check(keysOf(embed.footer, ["text"]) && counted(embed.footer.text, 2_048), say("footer"));
    check(isList(embed.fields, 25, 0), say("fields"));
    for (const field of embed.fields) {
      check(keysOf(field, ["name", "value", "inline"]) && typeof field.inline === "boolean", say("field"));
      check(counted(field.name, 256) && counted(field.value, 1_024), say("field"));
    }
  }
  check(all <= 6_000, say("6000"));
}, () => new Response(null, { status: 204 }));

/** https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors; the card itself is judged elsewhere. */
export const teams: Answer = strict((body) => {
  check(JSON.stringify(body).length <= 28 * 1_024, "RequestEntityTooLarge");
  check(keysOf(body, ["type", "attachments"]) && body.type === "message", "TriggerInputSchemaMismatch");
  check(isList(body.attachments, 1), "TriggerInputSchemaMismatch");
  const [attachment] = body.attachments;
  check(keysOf(attachment, ["contentType", "content"]), "TriggerInputSchemaMismatch");
  check(attachment.contentType === "application/vnd.microsoft.card.adaptive", "TriggerInputSchemaMismatch");
}, () => new Response(null, { status: 202 }));
