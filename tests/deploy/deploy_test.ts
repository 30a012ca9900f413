/**
 * The real Supabase CLI deploys to a server that records what it gets; what was uploaded, laid out in an empty
 * folder, delivers an event.
 */

import assert from "node:assert/strict";
import { databaseTest, deliveries, insertDeliveries, insertEndpoint } from "../support/database.ts";
import { startFunction } from "../support/process.ts";
import { closedPort, withReceiver } from "../support/receiver.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const SLUGS = ["close-expired-discussions", "test-webhook", "webhook-dispatcher", "webhook-health"];
const REF = "abcdefghijklmnopqrst";
/** What a server-side bundle may have, in bytes. */
const MOST_BYTES = 5_000_000;

interface Upload {
  slug: string;
  metadata: { entrypoint_path: string; import_map_path: string; verify_jwt: boolean };
  files: Map<string, Uint8Array>;
}

/** Runs `npm run deploy` and returns what it uploaded. */
async function deploy(): Promise<Upload[]> {
  const uploads: Upload[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    if (request.method === "POST" && pathname === `/v1/projects/${REF}/functions/deploy`) {
      const form = await request.formData();
      const files = new Map<string, Uint8Array>();
      for (const file of form.getAll("file")) {
        assert(file instanceof File);
        files.set(file.name, new Uint8Array(await file.arrayBuffer()));
      }
      const slug = searchParams.get("slug")!;
      uploads.push({ slug, metadata: JSON.parse(await textOf(form.get("metadata"))), files });
      return Response.json({ id: slug, slug, name: slug, status: "ACTIVE", version: 1 }, { status: 201 });
    }
    return Response.json([]);
  });
  const profile = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    const url = `http://127.0.0.1:${server.addr.port}`;
    await Deno.writeTextFile(
      profile,
      `name: recorder\napi_url: ${url}\ndashboard_url: ${url}\nproject_host: supabase.test\n`,
    );
    const { success, stdout, stderr } = await new Deno.Command("node", {
      args: ["stack/deploy.mjs", `--remote=${REF}`, "--profile", profile],
      cwd: ROOT,
      env: { SUPABASE_ACCESS_TOKEN: `sbp_${"0".repeat(40)}` },
    }).output();
    const shown = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assert(success, shown);
  } finally {
    await Deno.remove(profile);
    await server.shutdown();
  }
  return uploads.sort((a, b) => a.slug.localeCompare(b.slug));
}

async function textOf(entry: FormDataEntryValue | null): Promise<string> {
  return entry instanceof File ? await entry.text() : entry ?? "";
}

databaseTest("what the CLI uploads is all that the functions need", async ({ url, sql }) => {
  const uploads = await deploy();
  assert.deepEqual(uploads.map(({ slug }) => slug), SLUGS);
  const folder = await Deno.makeTempDir();
  try {
    for (const { slug, metadata, files } of uploads) {
      assert.equal(metadata.entrypoint_path, `functions/${slug}/index.ts`);
      assert.equal(metadata.import_map_path, "functions/deno.json");
      assert.equal(metadata.verify_jwt, false);
      const bytes = [...files.values()].reduce((sum, file) => sum + file.length, 0);
      assert(bytes < MOST_BYTES, `${slug}: ${bytes} bytes`);
      for (const [name, content] of files) {
        const path = `${folder}/${slug}/${name}`;
        await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
        await Deno.writeFile(path, content);
      }
    }
    await withReceiver(undefined, async (receiver) => {
      const endpoint = await insertEndpoint(sql, { url: receiver.url });
      await insertDeliveries(sql, endpoint);
      // Nobody listens there: that it says so, it has from the module that only Kafka needs.
      const kafka = await insertEndpoint(sql, { url: `kafka://127.0.0.1:${closedPort()}/orders` });
      await insertDeliveries(sql, kafka);
      const started = await Promise.all(
        SLUGS.map((slug) => startFunction(slug, url, {}, `${folder}/${slug}/functions`)),
      );
      try {
        const [close, test, dispatcher, health] = started;
        assert.equal((await (await dispatcher!.call()).json()).processed, 1);
        assert.equal((await (await test!.call({ endpoint_id: endpoint })).json()).delivered, 1);
        assert.equal((await (await close!.call()).json()).closed, 0);
        assert.equal((await (await fetch(health!.url)).json()).healthy, true);
      } finally {
        for (const one of started) await one.end("SIGTERM");
      }
      assert.equal(receiver.received.length, 2);
      const rows = await deliveries(sql);
      assert.deepEqual(rows.map(({ status }) => status).sort(), ["delivered", "delivered", "pending"]);
      const refused = rows.find(({ status }) => status === "pending")?.error_message;
      assert.match(refused!, /no broker can be reached: .*refused/i);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
