/** `npm run release`: the same bytes each time, a true bill of materials, and a folder that deploys and delivers by itself. */

import assert from "node:assert/strict";
import { projectVersion, releaseNotes, requireTag } from "../../stack/release/version.mjs";
import { databaseTest } from "../support/database.ts";
import { assertTheyDeliver, SLUGS } from "../support/deployed.ts";
import { REF, runNode, type Said, withRecorder } from "../support/supabase_cli.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const { version } = JSON.parse(Deno.readTextFileSync(`${ROOT}package.json`));
const NAME = `supabase-webhooks-${version}`;

function release(args: string[], env: Record<string, string> = {}): Promise<Said> {
  return runNode(["stack/release.mjs", ...args], { cwd: ROOT, env });
}

/** Makes a release in a new folder. */
async function withRelease(
  body: (folder: string) => Promise<void>,
  env: Record<string, string> = {},
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const { code, error } = await release(["--out", folder], env);
    assert.equal(code, 0, error);
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function run(program: string, args: string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args, cwd }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

async function sha256(path: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

Deno.test("the same sources make the same bytes, whatever the hour, the place and the language", async () => {
  const epoch = { SOURCE_DATE_EPOCH: "1769680800" };
  await withRelease(async (one) => {
    const sums = await Deno.readTextFile(`${one}/SHA256SUMS`);
    await withRelease(async (other) => {
      assert.equal(await Deno.readTextFile(`${other}/SHA256SUMS`), sums);
      for (const file of [`${NAME}.tar.gz`, `${NAME}.cdx.json`]) {
        assert.deepEqual(await Deno.readFile(`${other}/${file}`), await Deno.readFile(`${one}/${file}`));
        assert(sums.includes(`${await sha256(`${one}/${file}`)}  ${file}\n`), sums);
      }
    }, { ...epoch, TZ: "Asia/Kathmandu", LC_ALL: "C.UTF-8", LANG: "tr_TR.UTF-8", TMPDIR: one });
    const listed = await run("tar", ["tzvf", `${NAME}.tar.gz`, "--numeric-owner"], one);
    const lines = listed.trim().split("\n");
    const names = lines.map((line) => line.split(/\s+/).at(-1)!);
    assert.deepEqual(names, names.toSorted());
    for (const line of lines) assert.match(line, /^-rw-r--r-- +0[/ ]+0 .* 2026-01-2/);
    const left = [...Deno.readDirSync(one)].map(({ name }) => name).filter((name) =>
      name.startsWith("supabase-webhooks-release")
    );
    assert.deepEqual(left, []);
  }, epoch);
});

Deno.test("the bill of materials is valid, and names what the modules themselves name", async () => {
  await withRelease(async (folder) => {
    const file = `${folder}/${NAME}.cdx.json`;
    const { code, output } = await runNode(["stack/release/validate.mjs", file], { cwd: ROOT });
    assert.equal(code, 0, output);
    const { metadata, components, dependencies } = JSON.parse(await Deno.readTextFile(file)) as {
      metadata: { component: { version: string } };
      components: {
        "bom-ref": string;
        name: string;
        version: string;
        purl?: string;
        hashes?: { content: string }[];
      }[];
      dependencies: { ref: string; dependsOn: string[] }[];
    };
    assert.equal(metadata.component.version, version);
    const purls = components.flatMap(({ purl }) => purl ?? []);
    // Panic messages name the source files of crates: they are in the modules, whatever cargo says.
    const inModules = new Set<string>();
    for (const name of ["webhook_wasm", "webhook_kafka_wasm"]) {
      const text = await Deno.readTextFile(`${ROOT}functions/_shared/generated/${name}_bytes.ts`);
      const bytes = atob(/"([^"]+)"/.exec(text)![1]!);
      for (
        const [, crate, release] of bytes.matchAll(
          /\/registry\/src\/[^/]+\/([\w-]+)-(\d+\.\d+\.\d+[\w.+-]*)\//g,
        )
      ) {
        inModules.add(`pkg:cargo/${crate}@${release}`);
      }
    }
    assert(inModules.size >= 8, [...inModules].join(" "));
    assert.deepEqual([...inModules].filter((purl) => !purls.includes(purl)), []);
    // What only tests, or only the build, have.
    const names = components.map(({ name }) => name);
    for (
      const absent of [
        "proptest",
        "tokio",
        "krafka",
        "kafka-protocol",
        "syn",
        "serde_derive",
        "wasm-bindgen-macro",
      ]
    ) {
      assert(!names.includes(absent), absent);
    }
    assert(names.includes("webhook-wasm") && names.includes("webhook-kafka-wasm"));

    const locks = await Deno.readTextFile(`${ROOT}Cargo.lock`);
    for (const { purl, name, version, hashes } of components) {
      if (!purl?.startsWith("pkg:cargo/")) continue;
      const entry =
        `name = "${name}"\nversion = "${version}"\nsource = "registry+https://github.com/rust-lang/crates.io-index"\n`;
      assert(locks.includes(`${entry}checksum = "${hashes![0]!.content}"`), purl);
    }
    const { imports } = JSON.parse(await Deno.readTextFile(`${ROOT}functions/deno.json`));
    assert(purls.includes(`pkg:${imports.postgres.replace(":", "/")}`), imports.postgres);

    // Everything can be reached from the whole.
    const edges = new Map(dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]));
    const reached = new Set<string>();
    const visit = (ref: string) => {
      if (reached.has(ref)) return;
      reached.add(ref);
      edges.get(ref)!.forEach(visit);
    };
    visit(`supabase-webhooks@${version}`);
    assert.deepEqual(components.map((one) => one["bom-ref"]).filter((ref) => !reached.has(ref)), []);
  });
});

databaseTest(
  "the released folder alone deploys with the CLI, and its functions deliver",
  async (database) => {
    await withRelease(async (folder) => {
      await run("tar", ["xzf", `${NAME}.tar.gz`], folder);
      const released = `${folder}/${NAME}`;
      const guide = await Deno.readTextFile(`${released}/DEPLOY.md`);
      const { devDependencies } = JSON.parse(await Deno.readTextFile(`${ROOT}package.json`));
      const [, command] = /^ {4}npx supabase@(\S+ functions deploy .*)=YOUR_PROJECT_REF$/m.exec(guide) ?? [];
      const [release, ...args] = command!.split(" ");
      assert.equal(release, devDependencies.supabase);
      assert.doesNotMatch(guide, /VERSION|@CLI/);
      await withRecorder(async ({ profile, env, uploads }) => {
        const cli = `${ROOT}node_modules/supabase/dist/supabase.js`;
        const { code, output, error } = await runNode(
          [cli, ...args.slice(0, -1), `${args.at(-1)}=${REF}`, ...profile],
          { cwd: released, env },
        );
        assert.equal(code, 0, output + error);
        assert.deepEqual(uploads().map(({ slug }) => slug), SLUGS);
        for (const { files } of uploads()) {
          for (const [name, content] of files) {
            assert.deepEqual(content, await Deno.readFile(`${ROOT}${name}`), name);
          }
        }
      });
      await assertTheyDeliver(database, () => `${released}/functions`);
      const licences = await Deno.readTextFile(`${released}/THIRD-PARTY-LICENSES.txt`);
      for (const name of ["serde_json", "miniz_oxide", "wasm-bindgen"]) {
        assert.match(licences, new RegExp(`^${name} \\d`, "m"));
      }
      assert.equal(
        await Deno.readTextFile(`${released}/workflows/webhook-dispatcher.yml`),
        await Deno.readTextFile(`${ROOT}.github/workflows/webhook-dispatcher.yml`),
      );
    });
  },
);

Deno.test("all files have one version, and the CHANGELOG has its notes", async () => {
  assert.equal(await projectVersion(), version);
  const notes = await releaseNotes(version, { mustHaveDate: false });
  assert.match(notes, /^### /);
  assert.doesNotMatch(notes, /^## /m);
  await assert.rejects(
    releaseNotes("99.0.0", { mustHaveDate: false }),
    /CHANGELOG\.md has no section "## 99\.0\.0"/,
  );
});

Deno.test("a tag that is not the version, and a wrong time, make no release", async () => {
  requireTag(`v${version}`, version);
  const folder = await Deno.makeTempDir();
  try {
    const cases: [string[], Record<string, string>, RegExp][] = [
      [
        ["--tag", "v99.0.0"],
        {},
        new RegExp(`^error: the tag is v99\\.0\\.0, but the version is ${version}: expected v${version}$`),
      ],
      [["--check", "--tag", version], {}, /^error: the tag is /],
      [
        [],
        { SOURCE_DATE_EPOCH: "yesterday" },
        /^error: SOURCE_DATE_EPOCH: expected seconds since 1970, got "yesterday"$/,
      ],
      [["--tog"], {}, /^error: Unknown option '--tog'/],
    ];
    for (const [args, env, message] of cases) {
      const { code, error } = await release(["--out", folder, ...args], env);
      assert.equal(code, 1, error);
      assert.match(error.trim(), message);
      assert.deepEqual([...Deno.readDirSync(folder)], []);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
