/**
 * The real Supabase CLI against a server that records what is uploaded.
 *
 * @module
 */

import assert from "node:assert/strict";

export const REF = "abcdefghijklmnopqrst";

export interface Upload {
  slug: string;
  metadata: { entrypoint_path: string; import_map_path: string; verify_jwt: boolean };
  files: Map<string, Uint8Array>;
}

export interface Recorder {
  /** What a command needs to reach the server instead of Supabase: `--profile FILE`. */
  profile: string[];
  /** A token of the form that the CLI asks for. */
  env: Record<string, string>;
  /** What was uploaded, by function. */
  uploads: () => Upload[];
}

export async function withRecorder(body: (recorder: Recorder) => Promise<void>): Promise<void> {
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
    await body({
      profile: ["--profile", profile],
      env: { SUPABASE_ACCESS_TOKEN: `sbp_${"0".repeat(40)}` },
      uploads: () => uploads.toSorted((a, b) => a.slug.localeCompare(b.slug)),
    });
  } finally {
    await Deno.remove(profile);
    await server.shutdown();
  }
}

/** Lays out what was uploaded, each function in a folder of its own, as nothing else is there when it runs. */
export async function layOut(uploads: Upload[], folder: string): Promise<void> {
  for (const { slug, files } of uploads) {
    for (const [name, content] of files) {
      const path = `${folder}/${slug}/${name}`;
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      await Deno.writeFile(path, content);
    }
  }
}

export interface Said {
  code: number;
  output: string;
  error: string;
}

export async function runNode(
  args: string[],
  options: { cwd: string; env?: Record<string, string> },
): Promise<Said> {
  const { code, stdout, stderr } = await new Deno.Command("node", { args, ...options }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, output: text(stdout), error: text(stderr) };
}

async function textOf(entry: FormDataEntryValue | null): Promise<string> {
  return entry instanceof File ? await entry.text() : entry ?? "";
}
