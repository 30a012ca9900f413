/** What the workflows' shell does when the functions answer, fail, refuse or say nothing. */

import assert from "node:assert/strict";
import { closedPort } from "../support/receiver.ts";
import { type Context, holds, type Ran, readWorkflow, runJob } from "../support/workflow.ts";

/** Whether this machine has what GitHub's runners have. */
const hasShell = ["bash", "curl", "jq", "sha256sum"].every((name) => {
  try {
    return new Deno.Command(name, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
});

const KEY = "sb_secret_shown-nowhere";
const SUMMARY = {
  processed: 140,
  failed: 3,
  total: 143,
  retrying: 2,
  exhausted: 1,
  remaining: 7,
  due: 0,
  duration_ms: 812,
};
/** The time for one try, in seconds, where nothing answers: the workflows' own is minutes. */
const HURRY = { MOST_SECONDS: "1" };

interface Call {
  method: string;
  path: string;
  key: string | null;
  body: string;
}

/** Runs a workflow's only job against a server that answers what `answer` says. */
async function ran(
  file: string,
  answer: (call: Call, at: number) => Response | Promise<Response>,
  { inputs = {}, vars = {}, event = "workflow_dispatch", env = {} }: {
    inputs?: Record<string, unknown>;
    vars?: Record<string, string>;
    event?: string;
    env?: Record<string, string>;
  } = {},
): Promise<Ran & { calls: Call[] }> {
  const calls: Call[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const { method, headers, url } = request;
    const call = {
      method,
      path: new URL(url).pathname,
      key: headers.get("apikey"),
      body: await request.text(),
    };
    calls.push(call);
    return await answer(call, calls.length);
  });
  try {
    const url = `http://127.0.0.1:${server.addr.port}`;
    return { ...await runOnly(file, { SUPABASE_URL: url, ...vars }, { inputs, event, env }), calls };
  } finally {
    await server.shutdown();
  }
}

async function runOnly(
  file: string,
  vars: Record<string, string>,
  { inputs = {}, event = "workflow_dispatch", env = {}, key = KEY }: {
    inputs?: Record<string, unknown>;
    event?: string;
    env?: Record<string, string>;
    key?: string;
  } = {},
): Promise<Ran> {
  const [job, ...others] = Object.values(readWorkflow(file).jobs);
  assert.equal(others.length, 0);
  const result = await runJob(job!, contextOf(vars, inputs, event, key), env);
  assert(!(result.output + result.summary).includes(KEY), "the key is shown");
  return result;
}

function contextOf(
  vars: Record<string, string>,
  inputs: Record<string, unknown> = {},
  event = "workflow_dispatch",
  key = KEY,
): Context {
  return { github: { event_name: event }, vars, secrets: key ? { SUPABASE_SECRET_KEY: key } : {}, inputs };
}

const CALLING = [
  { file: "webhook-dispatcher.yml", slug: "webhook-dispatcher", answer: SUMMARY as Record<string, unknown> },
  {
    file: "close-discussions.yml",
    slug: "close-expired-discussions",
    answer: { closed: 2, discussion_ids: ["a", "b"], subscribers: 1, more: false },
  },
];

for (const { file, slug, answer } of CALLING) {
  const test = (name: string, body: () => Promise<void>) =>
    Deno.test(`${file}: ${name}`, { ignore: !hasShell }, body);

  test("an answer is a table in the run's summary", async () => {
    const { code, output, summary, calls } = await ran(file, () => Response.json(answer));
    assert.equal(code, 0, output);
    const path = `/functions/v1/${slug}`;
    const body = file === "webhook-dispatcher.yml" ? "{}" : "";
    assert.deepEqual(calls, [{ method: "POST", path, key: KEY, body }]);
    const row = summary.trim().split("\n").at(-1);
    const expected = file === "webhook-dispatcher.yml"
      ? "| 140 | 2 | 1 | 7 | 0 | 812 ms |"
      : "| 1 | 2 | 1 | false |";
    assert.equal(row, expected);
  });

  test("a server in trouble is asked again, and its last words are the reason", async () => {
    const failure = { error: { code: "internal", message: `Something \`went\`\nwrong with ${KEY}` } };
    const [failing, recovering, limited] = await Promise.all([
      ran(file, () => Response.json(failure, { status: 500 })),
      ran(file, (_, at) => at < 3 ? new Response("busy", { status: 503 }) : Response.json(answer)),
      ran(file, () => new Response("<html>slow down</html>", { status: 429 })),
    ]);
    assert.deepEqual([failing.code, failing.calls.length], [1, 4], failing.output);
    assert.match(failing.output, /^::error::HTTP 500\. Something went\s*wrong with \*\*\*$/m);
    assert.match(failing.summary, /HTTP 500\. Something went/);
    assert.deepEqual([recovering.code, recovering.calls.length], [0, 3], recovering.output);
    assert(!recovering.summary.includes("busy"));
    assert.deepEqual([limited.code, limited.calls.length], [1, 4], limited.output);
    assert.match(limited.output, /^::error::HTTP 429\. $/m);
  });

  test("a refusal is not repeated, and says what to do", async () => {
    const unauthorized = { error: { code: "unauthorized", message: "Send a secret key." } };
    for (
      const [status, body, reason] of [
        [
          401,
          unauthorized,
          /HTTP 401: the secret SUPABASE_SECRET_KEY is no key of this project\. Send a secret key\./,
        ],
        [
          404,
          { code: "NOT_FOUND", message: "Requested function was not found" },
          /HTTP 404: .* is not deployed there/,
        ],
        [400, { error: { message: "linger_s: too long" } }, /HTTP 400\. linger_s: too long/],
      ] as const
    ) {
      const { code, output, summary, calls } = await ran(file, () => Response.json(body, { status }));
      assert.deepEqual([code, calls.length], [1, 1], output);
      assert.match(output, reason);
      assert.match(summary, reason);
    }
  });

  test("what is no answer of the function is no success", async () => {
    for (const text of ["<html>hello</html>", "", "{}", "null", "[1]"]) {
      const { code, output, calls } = await ran(file, () => new Response(text));
      assert.deepEqual([code, calls.length], [1, 1], output);
      assert.match(output, /^::error::HTTP 200, but not the .* answer/m);
    }
    const moved = await ran(file, () => Response.redirect("http://127.0.0.1:1/elsewhere", 307));
    assert.deepEqual([moved.code, moved.calls.length], [1, 1], moved.output);
    assert.match(moved.output, /::error::HTTP 307/);
  });

  test("silence, a closed door and nobody there are each one clear line", async () => {
    const silent = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const rude = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    let accepted = 0;
    const open: Deno.Conn[] = [];
    const serving = Promise.all([
      (async () => {
        for await (const conn of silent) {
          accepted++;
          open.push(conn);
        }
      })(),
      (async () => {
        for await (const conn of rude) conn.close();
      })(),
    ]);
    const at = (port: number) => ({ SUPABASE_URL: `http://127.0.0.1:${port}` });
    const [hanging, closing, absent] = await Promise.all([
      runOnly(file, at(silent.addr.port), { env: HURRY }),
      runOnly(file, at(rude.addr.port)),
      runOnly(file, at(closedPort())),
    ]);
    silent.close();
    rude.close();
    await serving;
    for (const conn of open) conn.close();
    assert.deepEqual([hanging.code, accepted], [1, 4], hanging.output);
    for (
      const [{ code, output, summary }, reason] of [
        [hanging, /No answer: curl: \(28\)/],
        [closing, /No answer: curl: \((?:52|56)\)/],
        [absent, /No answer: curl: \(7\)/],
      ] as const
    ) {
      assert.equal(code, 1, output);
      assert.match(output, reason);
      assert.match(summary, reason);
    }
  });

  test("what is not set, or wrong, is one line and no request", async () => {
    const ref = "abcdefghijklmnopqrst";
    const cases: [Record<string, string>, string, RegExp][] = [
      [{}, KEY, /^::error::Set the repository variable SUPABASE_PROJECT_REF\.\n$/],
      [{ SUPABASE_PROJECT_REF: "Ab$(id)" }, KEY, /^::error::The variable SUPABASE_PROJECT_REF: expected 20 /],
      [{ SUPABASE_URL: "ftp://x" }, KEY, /^::error::The variable SUPABASE_URL: expected https:\/\/HOST\.\n$/],
      [{ SUPABASE_PROJECT_REF: ref }, "", /^::error::Set the repository secret SUPABASE_SECRET_KEY\.\n$/],
      [
        { SUPABASE_PROJECT_REF: ref },
        "a\nx-other: b",
        /^::error::The secret SUPABASE_SECRET_KEY has a blank/,
      ],
    ];
    for (const [vars, key, message] of cases) {
      const { code, output, summary } = await runOnly(file, vars, { key });
      assert.equal(code, 1);
      assert.match(output, message);
      assert.notEqual(summary, "");
    }
  });

  Deno.test(`${file}: a schedule skips what is not set up, off the full hour, one run at a time`, () => {
    const workflow = readWorkflow(file);
    const [job] = Object.values(workflow.jobs);
    const scheduled = (vars: Record<string, string>) => holds(job!.if!, contextOf(vars, {}, "schedule"));
    assert.equal(scheduled({}), false);
    assert.equal(scheduled({ SUPABASE_PROJECT_REF: "x" }), true);
    assert.equal(scheduled({ SUPABASE_URL: "x" }), true);
    assert.equal(holds(job!.if!, contextOf({})), true);
    const [{ cron }] = workflow.on.schedule as [{ cron: string }];
    assert.match(cron, /^[1-9]/);
    assert.equal(workflow.concurrency["cancel-in-progress"], false);
    assert.doesNotMatch(workflow.concurrency.group, /\$/);
    assert.deepEqual(workflow.permissions, {});
    assert.deepEqual(
      job!.steps.filter(({ uses }) => uses),
      [],
      "a user's repository needs nothing beside the file",
    );
  });
}

Deno.test("webhook-dispatcher.yml: inputs become the body", { ignore: !hasShell }, async () => {
  const file = "webhook-dispatcher.yml";
  const replayed = { ...SUMMARY, replay: { matched: 12, switched_off: 1, replayed: 12, dry_run: true } };
  const replay = '{"ids": ["$(touch /tmp/x) `id` \\"; exit 7"],\n "limit": 5}';
  const { code, output, summary, calls } = await ran(file, () => Response.json(replayed), {
    inputs: { replay, dry_run: true, linger: "" },
  });
  assert.equal(code, 0, output);
  assert.deepEqual(JSON.parse(calls[0]!.body), { replay: { ...JSON.parse(replay), dry_run: true } });
  assert.match(
    summary,
    /^Replay: 12 matched, 12 put back, 1 of .* switched off\. A dry run: nothing was changed\.$/m,
  );

  const lingering = await ran(file, () => new Response(null, { status: 202 }), { inputs: { linger: "240" } });
  assert.deepEqual([lingering.code, lingering.calls[0]!.body], [0, '{"linger_s":240}'], lingering.output);
  assert.match(lingering.summary, /in the background for up to 240 s/);
  // The schedule has no inputs, and a run by hand does not linger unasked.
  const vars = { WEBHOOK_LINGER: "140" };
  const scheduled = await ran(file, () => new Response("{}", { status: 202 }), { vars, event: "schedule" });
  assert.equal(scheduled.calls[0]!.body, '{"linger_s":140}');
  const byHand = await ran(file, () => Response.json(SUMMARY), { vars });
  assert.equal(byHand.calls[0]!.body, "{}");

  for (
    const [inputs, message] of [
      [{ linger: "soon" }, /^::error::linger: expected whole seconds, as in 240\.\n$/],
      [{ replay: "endpoint_id=1" }, /^::error::replay: expected a JSON object, as in /],
      [{ replay: "{} {}" }, /^::error::replay: expected a JSON object, as in /],
      [
        { dry_run: true },
        /^::error::dry_run: it counts what replay would put back, and replay is empty\.\n$/,
      ],
    ] as const
  ) {
    const wrong = await ran(file, () => Response.json(SUMMARY), { inputs });
    assert.deepEqual([wrong.code, wrong.calls.length], [1, 0], wrong.output);
    assert.match(wrong.output, message);
  }
});

Deno.test("close-discussions.yml: goes on while there are more", { ignore: !hasShell }, async () => {
  const answer = (more: boolean) => Response.json({ closed: 1000, discussion_ids: [], subscribers: 1, more });
  const twice = await ran("close-discussions.yml", (_, at) => answer(at < 2));
  assert.deepEqual([twice.code, twice.calls.length], [0, 2], twice.output);
  assert.match(twice.summary, /\| 1 \| 1000 \| 1 \| true \|\n\| 2 \| 1000 \| 1 \| false \|\n$/);
  const forEver = await ran("close-discussions.yml", () => answer(true));
  assert.deepEqual([forEver.code, forEver.calls.length], [1, 20], forEver.output);
  assert.match(forEver.output, /There are more after 20 calls; the next run goes on\./);
});

Deno.test("deploy.yml: builds without the token, then deploys with it; what is not set is one line", {
  ignore: !hasShell,
}, async () => {
  const job = readWorkflow("deploy.yml").jobs.deploy!;
  const ref = "abcdefghijklmnopqrst";
  const token = "sbp_shown-nowhere";
  // Instead of npm: it says how it was called.
  const prepare = async (folder: string) => {
    await Deno.mkdir(`${folder}/bin`);
    const script = '#!/bin/sh\necho "npm $*, token: ${SUPABASE_ACCESS_TOKEN:+set}"\n';
    await Deno.writeTextFile(`${folder}/bin/npm`, script, { mode: 0o755 });
  };
  const run = (vars: Record<string, string>, secrets: Record<string, string>, inputs = {}) =>
    runJob(job, { github: {}, vars, secrets, inputs }, {}, prepare);
  const deployed = await run({ SUPABASE_PROJECT_REF: ref }, { SUPABASE_ACCESS_TOKEN: token });
  const said = `npm run deploy -- --no-build --remote=${ref}, token: set\n`;
  assert.deepEqual([deployed.code, deployed.output], [0, `npm run build, token: \n${said}`]);
  assert.equal(deployed.summary, `\`\`\`\n${said}\`\`\`\n`);
  const checked = await run({ SUPABASE_PROJECT_REF: ref }, { SUPABASE_ACCESS_TOKEN: token }, { check: true });
  assert.match(checked.output, / --check, token: set$/m);
  const unset = await run({}, { SUPABASE_ACCESS_TOKEN: token });
  assert.deepEqual([unset.code, unset.output], [
    1,
    "::error::Set the repository variable SUPABASE_PROJECT_REF.\n",
  ]);
  const secret = await run({ SUPABASE_PROJECT_REF: ref }, {});
  assert.equal(secret.code, 1);
  assert.match(
    secret.output,
    /^::error::Set the secret SUPABASE_ACCESS_TOKEN of the environment production\.\n$/,
  );
});

Deno.test("release.yml: publishes what was built, with its notes, and nothing that was changed since", {
  ignore: !hasShell,
}, async () => {
  const job = readWorkflow("release.yml").jobs.publish!;
  const files = ["supabase-webhooks-1.2.3.cdx.json", "supabase-webhooks-1.2.3.tar.gz"];
  const publish = (tag: string, content: string) =>
    runJob(
      job,
      { github: { token: "ghs_shown-nowhere" }, vars: {}, secrets: {}, inputs: {} },
      { GITHUB_REPOSITORY: "owner/repository", GITHUB_REF_NAME: tag },
      async (folder) => {
        await Deno.mkdir(`${folder}/bin`);
        await Deno.writeTextFile(`${folder}/bin/gh`, '#!/bin/sh\necho "gh $*"\n', { mode: 0o755 });
        await Deno.mkdir(`${folder}/dist`);
        for (const file of files) await Deno.writeTextFile(`${folder}/dist/${file}`, content);
        // Of the text "built".
        const sum = "586a866f990ab55e36decfffc2011f172e4452d5141c939a5436baffba11111d";
        await Deno.writeTextFile(
          `${folder}/dist/SHA256SUMS`,
          files.map((file) => `${sum}  ${file}\n`).join(""),
        );
        await Deno.writeTextFile(`${folder}/dist/NOTES.md`, "");
      },
    );
  const { code, output } = await publish("v1.2.3", "built");
  assert.equal(code, 0, output);
  const options = "--repo owner/repository --verify-tag --title v1.2.3 --notes-file NOTES.md";
  assert.match(
    output,
    new RegExp(`^gh release create v1\\.2\\.3 ${options} SHA256SUMS ${files[1]} ${files[0]}$`, "m"),
  );
  const candidate = await publish("v1.2.3-rc.1", "built");
  assert.match(candidate.output, / --prerelease SHA256SUMS /);
  const changed = await publish("v1.2.3", "changed");
  assert.equal(changed.code, 1);
  assert.doesNotMatch(changed.output, /^gh /m);
});
