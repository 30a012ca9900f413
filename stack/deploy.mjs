/**
 * `npm run deploy -- --remote REF`: builds, then has the Supabase CLI deploy the four functions. Other options are
 * passed on to `supabase functions deploy`.
 */

import { join } from "node:path";
import { FUNCTIONS } from "./functions.mjs";
import { inherit, ROOT } from "./processes.mjs";
import { Failure, run, say } from "./say.mjs";
import { setUp } from "./setup.mjs";

await run(async () => {
  const options = process.argv.slice(2).flatMap(joinRemote);
  if (!options.some((option) => option.startsWith("--remote="))) {
    throw new Failure(
      "name the project: npm run deploy -- --remote REF (the reference in its dashboard's URL)",
    );
  }
  if (!process.env.SUPABASE_ACCESS_TOKEN) {
    say("SUPABASE_ACCESS_TOKEN is not set: the CLI uses the login of 'npx supabase login'");
  }
  await setUp();
  const cli = join(ROOT, "node_modules/supabase/dist/supabase.js");
  const deploy = ["functions", "deploy", ...FUNCTIONS, "--use-api", "--yes", ...options];
  const status = await inherit(process.execPath, [cli, ...deploy]);
  if (status !== 0) throw new Failure("the Supabase CLI did not deploy; see above");
});

/** `--remote REF` as the CLI takes it, `--remote=REF`. */
function joinRemote(option, at, all) {
  if (option === "--remote") return all[at + 1] ? [`--remote=${all[at + 1]}`] : [];
  return all[at - 1] === "--remote" ? [] : [option];
}
