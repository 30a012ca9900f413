/** `npm run alerts`: listeners come and go, and no secret is shown. */

import assert from "node:assert/strict";
import { databaseTest, type TestDatabase } from "../support/database.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

async function alerts(database: Pick<TestDatabase, "url">, args: string[], env: Record<string, string> = {}) {
  const command = new Deno.Command("node", {
    args: ["stack/alerts.mjs", ...args],
    cwd: ROOT,
    env: { SUPABASE_DB_URL: database.url, ...env },
  });
  const { code, stdout, stderr } = await command.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, said: text(stdout), error: text(stderr) };
}

async function listeners({ sql }: TestDatabase) {
  return await sql`select name, url, to_json(events) as events, secret_key, is_active from public.webhook_configurations order by created_at`;
}

databaseTest(
  "listeners of each kind are added once, listed without their secrets, and removed",
  async (database) => {
    const { sql } = database;
    await sql`insert into auth.users (email) values ('user@example.com')`;
    const [admin] = await sql`insert into auth.users (email) values ('admin@example.com') returning id`;
    await sql`insert into public.users (id, name, role) values (${admin!.id}, 'Admin', 'admin')`;
    const slack = "https://hooks.slack.com/services/T0/B0/hidden-path";
    const cases: [string[], string, string | null][] = [
      [["add", "slack", slack], slack, null],
      [["add", "mail", "ops@example.com,more@example.com"], "mailto:ops@example.com,more@example.com", null],
      [
        [
          "add",
          "url",
          "https://example.com/hook?token=hidden-token",
          "--name",
          "pager",
          "--secret-env",
          "PAGER",
        ],
        "https://example.com/hook?token=hidden-token",
        "whsec_hidden",
      ],
    ];
    for (const [args] of cases) {
      const { code, said, error } = await alerts(database, args, { PAGER: "whsec_hidden" });
      assert.equal(code, 0, error);
      assert.match(
        said,
        /^added "[^"]+" \([0-9a-f-]{36}\)\. Try it: npm run emit -- webhook\.alert --endpoint /,
      );
    }
    assert.deepEqual(
      (await listeners(database)).map(({ url, events, secret_key }) => [url, events, secret_key]),
      cases.map(([, url, secret]) => [url, ["webhook.alert"], secret]),
    );
    const [creator] = await sql`select distinct created_by from public.webhook_configurations`;
    assert.equal(creator?.created_by, admin!.id);

    const again = await alerts(database, ["add", "slack", slack]);
    assert.deepEqual([again.code, again.error], [1, 'error: "alerts to slack" listens there already\n']);
    const { said } = await alerts(database, ["list"]);
    assert.equal(said.trim().split("\n").length, 3);
    assert.match(said, /on {3}pager {2}https:\/\/example\.com\/… {2}no alert yet/);
    assert(!said.includes("hidden"), said);

    await sql`update public.webhook_configurations set events = events || '{order.paid}'::text[] where name = 'pager'`;
    for (const name of ["pager", "alerts to slack"]) {
      assert.equal(
        (await alerts(database, ["remove", name])).code,
        0,
      );
    }
    assert.deepEqual((await listeners(database)).map(({ events, is_active }) => [events, is_active]), [
      [[], false],
      [["webhook.alert"], true],
      [["order.paid"], true],
    ]);
  },
);

databaseTest("what is wrong is one line that shows no secret", async (database) => {
  const cases: [string[], Record<string, string>, RegExp][] = [
    [
      ["add", "slack", "https://hooks.slack.com.evil.example/hidden"],
      {},
      /^error: add slack: expected https:\/\/hooks/,
    ],
    [
      ["add", "pigeon", "x"],
      {},
      /^error: add: expected one of slack, discord, teams, mail, url, got pigeon$/,
    ],
    [["add", "mail", "nobody"], {}, /^error: add mail: expected an address like ops@example\.com$/],
    [
      ["add", "url", "https://a.example", "--secret-env", "NONE"],
      {},
      /^error: --secret-env: NONE is not set$/,
    ],
    [
      ["add", "url", "https://a.example/"],
      {},
      /^error: auth\.users is empty, and an endpoint needs a created_by/,
    ],
    [["remove", "nobody"], {}, /^error: nobody called nobody listens/],
    [["dance"], {}, /^error: there is no command dance: add, list or remove$/],
    [
      ["list"],
      { SUPABASE_DB_URL: "postgresql://postgres:hidden@127.0.0.1:1/x" },
      /^error: the database says: .*ECONNREFUSED/,
    ],
  ];
  for (const [args, env, message] of cases) {
    const { code, said, error } = await alerts(database, args, env);
    assert.equal(code, 1, args.join(" "));
    assert.match(error.trim(), message);
    assert(!(said + error).includes("hidden"), error);
  }
  assert.equal((await listeners(database)).length, 0);
});
