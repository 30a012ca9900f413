/**
 * Runs the shell steps of a workflow as GitHub runs them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { parse } from "yaml";

const WORKFLOWS = new URL("../../.github/workflows/", import.meta.url);

export interface Step {
  name?: string;
  uses?: string;
  shell?: string;
  env?: Record<string, unknown>;
  run?: string;
  "working-directory"?: string;
  with?: Record<string, unknown>;
}

export interface Job {
  if?: string;
  permissions?: Record<string, string>;
  steps: Step[];
}

export interface Workflow {
  on: Record<string, unknown>;
  permissions: Record<string, string>;
  concurrency: { group: string; "cancel-in-progress": unknown };
  jobs: Record<string, Job>;
}

/** What `${{ … }}` can name. */
export interface Context {
  github: Record<string, unknown>;
  vars: Record<string, string>;
  secrets: Record<string, string>;
  inputs: Record<string, unknown>;
}

export interface Ran {
  code: number;
  /** stdout and stderr. */
  output: string;
  /** What the steps have added to the run's page. */
  summary: string;
}

export function workflowNames(): string[] {
  return [...Deno.readDirSync(WORKFLOWS)].map(({ name }) => name).filter((name) => name.endsWith(".yml"))
    .sort();
}

export function readWorkflow(name: string): Workflow {
  return parse(Deno.readTextFileSync(new URL(name, WORKFLOWS)));
}

/**
 * The steps of a job that run a shell, one after the other, up to the first that fails. `env` is put over theirs, and
 * `prepare` fills the folder that they run in.
 */
export async function runJob(
  job: Job,
  context: Context,
  env: Record<string, string> = {},
  prepare: (folder: string) => Promise<void> = async () => {},
): Promise<Ran> {
  const folder = await Deno.makeTempDir();
  try {
    await prepare(folder);
    const summary = `${folder}/summary.md`;
    await Deno.writeTextFile(summary, "");
    let [code, output] = [0, ""];
    for (const step of job.steps) {
      if (step.run === undefined || code !== 0) continue;
      assert(!step.run.includes("${{"), `${step.name}: values reach a shell by its variables alone`);
      const script = `${folder}/step.sh`;
      await Deno.writeTextFile(script, step.run);
      const flags = step.shell === "bash" ? ["--noprofile", "--norc", "-eo", "pipefail"] : ["-e"];
      const own = Object.fromEntries(Object.entries(step.env ?? {}).map(([k, v]) => [k, fill(v, context)]));
      const ran = await new Deno.Command("bash", {
        args: [...flags, script],
        cwd: `${folder}/${step["working-directory"] ?? "."}`,
        clearEnv: true,
        env: {
          PATH: `${folder}/bin:${Deno.env.get("PATH")}`,
          HOME: folder,
          GITHUB_STEP_SUMMARY: summary,
          ...own,
          ...env,
        },
        stdin: "null",
      }).output();
      code = ran.code;
      output += new TextDecoder().decode(ran.stdout) + new TextDecoder().decode(ran.stderr);
    }
    return { code, output, summary: await Deno.readTextFile(summary) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A condition's value: `if:` has no braces. */
export function holds(condition: string, context: Context): boolean {
  return Boolean(evaluate(condition, context));
}

function fill(value: unknown, context: Context): string {
  return String(value).replaceAll(
    /\$\{\{(.*?)\}\}/g,
    (_, expression) => String(evaluate(expression, context) ?? ""),
  );
}

/** What the workflows here use of GitHub's expressions is JavaScript, too; what is not set is an empty text. */
function evaluate(expression: string, { github, vars, secrets, inputs }: Context): unknown {
  const names = ["github", "vars", "secrets", "inputs"];
  const values = [github, vars, secrets, inputs].map((one) =>
    new Proxy(one, { get: (all, key) => Reflect.get(all, key) ?? "" })
  );
  return new Function(...names, `return (${expression});`)(...values);
}
