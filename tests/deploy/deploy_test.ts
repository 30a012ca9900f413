/**
 * The real Supabase CLI deploys to a server that records what it gets; what was uploaded, laid out in an empty
 * folder, delivers an event.
 */

import assert from "node:assert/strict";
import { uploadsOf } from "../../stack/deploy/uploads.mjs";
import { databaseTest } from "../support/database.ts";
import { assertTheyDeliver, SLUGS } from "../support/deployed.ts";
import {
  layOut,
  type Recorder,
  REF,
  runNode,
  type Said,
  type Upload,
  withRecorder,
} from "../support/supabase_cli.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

function deploy(args: string[], env: Record<string, string> = {}): Promise<Said> {
  return runNode(["stack/deploy.mjs", ...args], { cwd: ROOT, env });
}

/** The bytes of all files, by their names. */
function contents(uploads: Upload[]) {
  return uploads.map(({ slug, metadata, files }) => ({ slug, metadata, files: new Map([...files].sort()) }));
}

databaseTest("what the CLI uploads is all that the functions need", async (database) => {
  await withRecorder(async ({ profile, env, uploads }) => {
    const { code, output, error } = await deploy(["--remote", REF, ...profile], env);
    assert.equal(code, 0, output + error);
    assert.deepEqual(uploads().map(({ slug }) => slug), SLUGS);
    for (const { slug, metadata, files } of uploads()) {
      assert.equal(metadata.entrypoint_path, `functions/${slug}/index.ts`);
      assert.equal(metadata.import_map_path, "functions/deno.json");
      assert.equal(metadata.verify_jwt, false);
      const foreseen = await uploadsOf(ROOT, slug);
      assert.deepEqual([...files.keys()].sort(), foreseen.files, "the check sees what the CLI sees");
      assert.equal([...files.values()].reduce((sum, file) => sum + file.length, 0), foreseen.bytes);
      const shown = new RegExp(`^  ${slug}: ${files.size} files, [01]\\.\\d\\d MB$`, "m");
      assert.match(error, shown);
    }
    const folder = await Deno.makeTempDir();
    try {
      await layOut(uploads(), folder);
      await assertTheyDeliver(database, (slug) => `${folder}/${slug}/functions`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});

Deno.test("'npm run build' and the CLI by itself upload the same", async () => {
  const uploaded = async (run: (recorder: Recorder) => Promise<Said>) => {
    let all: Upload[] = [];
    await withRecorder(async (recorder) => {
      const { code, output, error } = await run(recorder);
      assert.equal(code, 0, output + error);
      all = recorder.uploads();
    });
    return contents(all);
  };
  const cli = "node_modules/supabase/dist/supabase.js";
  const ours = await uploaded(({ profile, env }) =>
    deploy([`--remote=${REF}`, "--no-build", ...profile], env)
  );
  const byItself = await uploaded(({ profile, env }) =>
    runNode([cli, "functions", "deploy", "--use-api", "--yes", `--remote=${REF}`, ...profile], {
      cwd: ROOT,
      env,
    })
  );
  assert.equal(ours.length, 4);
  assert.deepEqual(byItself, ours);
});

Deno.test("--check does everything but send", async () => {
  await withRecorder(async ({ profile, env, uploads }) => {
    const { code, error } = await deploy(["--check", "--remote", REF, ...profile], env);
    assert.equal(code, 0, error);
    assert.match(error, /building the Rust core[^]*webhook-dispatcher: \d+ files[^]*nothing was sent/);
    assert.deepEqual(uploads(), []);
  });
});

Deno.test("what is missing or wrong is one line, and nothing is sent", async () => {
  const home = await Deno.makeTempDir();
  try {
    const cases: [string[], Record<string, string>, RegExp][] = [
      [[], {}, /^error: name the project: npm run deploy -- --remote REF \(/],
      [["--remote"], {}, /^error: --remote: expected a project's reference, 20 lower-case letters, got ""$/],
      [
        ["--remote", "my-project"],
        {},
        /^error: --remote: expected a project's reference, .*, got "my-project"$/,
      ],
      [
        ["--remote", REF],
        { HOME: home },
        /^error: log in with 'npx supabase login', or set SUPABASE_ACCESS_TOKEN/,
      ],
    ];
    for (const [args, env, message] of cases) {
      const { code, error } = await deploy(args, { SUPABASE_ACCESS_TOKEN: "", ...env });
      assert.equal(code, 1, error);
      assert.match(error.trim(), message);
    }
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

Deno.test("a file that would not be uploaded is named before anything is sent", async () => {
  const cases: [string, (text: string) => string | undefined, RegExp][] = [
    [
      "functions/_shared/generated/webhook_wasm_bytes.ts",
      () => undefined,
      /^functions\/_shared\/generated\/webhook_wasm_bytes\.ts \(imported by .*core\.ts\) is missing: run npm run build$/,
    ],
    [
      "functions/_shared/log.ts",
      () => undefined,
      /^functions\/_shared\/log\.ts \(imported by functions\/.*\) is missing$/,
    ],
    [
      "functions/_shared/log.ts",
      (text) => `import { x } from "../../../elsewhere/x.ts";\n${text}`,
      /^functions\/_shared\/log\.ts imports "\.\.\/\.\.\/\.\.\/elsewhere\/x\.ts", which lies outside/,
    ],
    [
      "functions/_shared/log.ts",
      (text) => `export {\n  x,\n} from "./bell";\n${text}`,
      /^functions\/_shared\/log\.ts imports "\.\/bell": the CLI uploads only files .* extension$/,
    ],
    [
      "functions/_shared/log.ts",
      (text) => `${text}\nexport const later = (name: string) => import(\`./\${name}.ts\`);\n`,
      /^functions\/_shared\/log\.ts imports by a template literal/,
    ],
    [
      "functions/_shared/log.ts",
      (text) => `import "left-pad";\n${text}`,
      /^functions\/_shared\/log\.ts imports "left-pad", which functions\/deno\.json does not name$/,
    ],
    [
      "functions/_shared/generated/webhook_wasm_bytes.ts",
      (text) => text + `// ${"x".repeat(5_000_000)}\n`,
      /^webhook-dispatcher has [56]\.\d\d MB, more than the 5\.00 MB of a server bundle; --use-docker /,
    ],
    [
      "functions/_shared/generated/webhook_wasm_bytes.ts",
      (text) => text + `// ${"x".repeat(20_000_000)}\n`,
      /^webhook-dispatcher has 2[01]\.\d\d MB, more than the 20\.00 MB of a local bundle$/,
    ],
  ];
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/node_modules`);
    await Deno.copyFile(`${ROOT}package-lock.json`, `${folder}/package-lock.json`);
    await Deno.copyFile(`${ROOT}node_modules/.set-up`, `${folder}/node_modules/.set-up`);
    for (const name of ["stack", "functions"]) await copy(`${ROOT}${name}`, `${folder}/${name}`);
    const check = (...options: string[]) =>
      runNode(["stack/deploy.mjs", "--check", "--no-build", ...options], { cwd: folder });
    const whole = await check();
    assert.equal(whole.code, 0, whole.error);
    for (const [file, change, message] of cases) {
      const text = await Deno.readTextFile(`${folder}/${file}`);
      const changed = change(text);
      if (changed === undefined) await Deno.remove(`${folder}/${file}`);
      else await Deno.writeTextFile(`${folder}/${file}`, changed);
      const { code, error } = await check(...(/local/.test(message.source) ? ["--use-docker"] : []));
      assert.equal(code, 1, error);
      const last = error.trim().split("\n").at(-1)!;
      assert.match(last.replace(/^error: /, ""), message);
      await Deno.writeTextFile(`${folder}/${file}`, text);
    }
    const docker = await check("--use-docker");
    assert.equal(docker.code, 0, docker.error);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copy(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}
