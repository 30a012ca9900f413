/** `npm run build`: what `supabase functions deploy` uploads. */

import { run } from "./say.mjs";
import { setUp } from "./setup.mjs";

await run(setUp);
