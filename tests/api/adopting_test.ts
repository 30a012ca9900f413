/** The code in docs/adopting.md, as it stands there: it fits the types, and each event is there. */

import assert from "node:assert/strict";

const GUIDE = new URL("../../docs/adopting.md", import.meta.url);
const EMIT = new URL("../../clients/emit.ts", import.meta.url);

/** What the application has at hand where the guide says. */
const AT_HAND = `
  import type { SupabaseClient } from "@supabase/supabase-js";
  import { emit } from "${EMIT}";
  declare const supabase: SupabaseClient;
  declare const user: { id: string; email: string; name: string };
  declare const community: {
    id: string; name: string; city: string; community_members?: { count: number }[];
  };
  declare const registration: {
    id: string; event_id: string; user_id: string; payment_id: string | null; status: string;
  };
  declare const comment: { id: string; discussion_id: string; user_id: string; text: string };
  declare const discussion: { id: string; expires_at: string };
  declare const reason: string;
`;

async function blocks(): Promise<string[]> {
  const guide = await Deno.readTextFile(GUIDE);
  return [...guide.matchAll(/^```ts\n(.*?)^```/gms)].map(([, block]) => block!);
}

async function check(blocks: string[]): Promise<{ success: boolean; text: string }> {
  const folder = await Deno.makeTempDir();
  try {
    const code = blocks.filter((block) => !block.startsWith("import")).map((block) => `{\n${block}}\n`);
    await Deno.writeTextFile(`${folder}/guide.ts`, `${AT_HAND}\n${code.join("")}`);
    const config = new URL("../deno.json", import.meta.url).pathname;
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--config", config, `${folder}/guide.ts`],
      env: { NO_COLOR: "1" },
    }).output();
    return { success, text: new TextDecoder().decode(stderr) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("the guide's code fits the types, and a wrong key in it does not", async () => {
  const all = await blocks();
  assert.equal(all.length, 10);
  const { success, text } = await check(all);
  assert(success, text);
  const wrong = await check(all.map((block) => block.replace("comment_text:", "text:")));
  assert(!wrong.success && wrong.text.includes("comment_text"), wrong.text);
});

Deno.test("the guide shows each event that the application is to emit", async () => {
  const guide = (await blocks()).join("\n");
  for (const name of ["joined_platform", "joined_community", "registered_event", "cancelled_registration"]) {
    assert(guide.includes(`"user.${name}"`), name);
  }
  for (const name of ["user.posted_comment", "user.flagged_comment", "discussion.extended"]) {
    assert(guide.includes(`"${name}"`), name);
  }
});
