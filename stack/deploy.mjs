/**
 * `npm run deploy -- --remote REF`: builds, makes sure that everything will be uploaded, then has the Supabase CLI deploy
 * the four functions. Options that are not listed here are passed on to `supabase functions deploy`.
 *
 *     --remote REF    the project: the reference in its dashboard's URL
 *     --check         everything but sending
 *     --no-build      deploys what `npm run build` has made
 *     --use-docker    bundles here, with Docker, instead of on the server (`--use-api`, the default)
 */

import { join } from "node:path";
import { megabytes, requireSizes, uploadsOf } from "./deploy/uploads.mjs";
import { FUNCTIONS } from "./functions.mjs";
import { inherit, output, ROOT } from "./processes.mjs";
import { Failure, run, say } from "./say.mjs";
import { buildCore, installPackages } from "./setup.mjs";

const CLI = join(ROOT, "node_modules/supabase/dist/supabase.js");

await run(async () => {
  const { remote, check, build, way, passedOn } = readOptions(process.argv.slice(2));
  await installPackages();
  if (!check) await requireLogin(passedOn);
  if (build) await buildCore();
  await showUploads(way);
  if (check) return say("everything is there; nothing was sent (--check)");
  const deploy = ["functions", "deploy", ...FUNCTIONS, "--yes", `--remote=${remote}`, ...passedOn];
  const status = await inherit(process.execPath, [CLI, ...deploy]);
  if (status !== 0) throw new Failure("the Supabase CLI did not deploy; see above");
});

function readOptions(args) {
  const own = new Set(["--check", "--no-build"]);
  const check = args.includes("--check");
  const joined = args.flatMap(joinRemote);
  const remote = joined.find((option) => option.startsWith("--remote="))?.slice("--remote=".length);
  if (remote === undefined && !check) {
    throw new Failure(
      "name the project: npm run deploy -- --remote REF (the reference in its dashboard's URL)",
    );
  }
  if (remote !== undefined && !/^[a-z]{20}$/.test(remote)) {
    throw new Failure(`--remote: expected a project's reference, 20 lower-case letters, got "${remote}"`);
  }
  const passedOn = joined.filter((option) => !own.has(option) && !option.startsWith("--remote="));
  const way = passedOn.some((option) => /^--use-(?:docker(?:=true)?|api=false)$/.test(option))
    ? "local"
    : "server";
  if (!passedOn.some((option) => /^--use-(?:api|docker)(?:=|$)/.test(option))) passedOn.unshift("--use-api");
  return { remote, check, build: !args.includes("--no-build"), way, passedOn };
}

/** `--remote REF` as the CLI takes it, `--remote=REF`. */
function joinRemote(option, at, all) {
  if (option === "--remote") return [`--remote=${all[at + 1] ?? ""}`];
  return all[at - 1] === "--remote" ? [] : [option];
}

/** The CLI keeps a login where only it can look, so it is asked; whatever else it has to say comes when it deploys. */
async function requireLogin(passedOn) {
  if (process.env.SUPABASE_ACCESS_TOKEN) return;
  const at = passedOn.findIndex((option) => option === "--profile" || option.startsWith("--profile="));
  const profile = at < 0 ? [] : passedOn.slice(at, passedOn[at].includes("=") ? at + 1 : at + 2);
  const { text } = await output(process.execPath, [CLI, "projects", "list", ...profile]);
  if (!/access token not provided/i.test(text)) return;
  throw new Failure("log in with 'npx supabase login', or set SUPABASE_ACCESS_TOKEN (sbp_…)");
}

async function showUploads(way) {
  const sizes = [];
  for (const name of FUNCTIONS) sizes.push({ name, ...await uploadsOf(ROOT, name) });
  for (const { name, files, bytes } of sizes) say(`  ${name}: ${files.length} files, ${megabytes(bytes)}`);
  requireSizes(sizes, way);
}
