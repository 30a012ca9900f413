/** The real Supabase CLI applies the migrations to a database, and the database is what the tests of them had. */

import assert from "node:assert/strict";
import postgres from "postgres";
import { databaseTest } from "../support/database.ts";
import { catalog, difference, migrate, MIGRATIONS, SAME } from "../support/migrations.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

async function push(url: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(`${ROOT}node_modules/.bin/supabase`, {
    args: ["db", "push", "--yes", "--db-url", `${url}?sslmode=disable`],
    cwd: ROOT,
    stdin: "null",
  }).output();
  const shown = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert(success, shown);
  return shown;
}

/** The CLI keeps its own history in a schema of its own. */
const withoutHistory = async (sql: postgres.Sql) =>
  (await catalog(sql)).filter((line) => !line.includes("supabase_migrations"));

databaseTest("supabase db push applies each of them, once", async ({ sql, url }) => {
  await push(url);
  const history = await sql`select version from supabase_migrations.schema_migrations order by version`;
  assert.deepEqual(
    history.map(({ version }) => version),
    MIGRATIONS.map((name) => name.split("_")[0]),
  );
  const pushed = await withoutHistory(sql);
  await migrate(sql);
  assert.deepEqual(difference(pushed, await withoutHistory(sql)), SAME);
  await push(url);
  assert.deepEqual(difference(pushed, await withoutHistory(sql)), SAME);
});
