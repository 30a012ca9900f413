/**
 * The pipeline on the table, with `fetch`. It has no time-outs, caps, breaker or address policy.
 *
 * @module
 */

import { pipeline } from "./pipeline.ts";
import { send } from "./send.ts";
import { serve, variable } from "./serve.ts";
import { openTable } from "./table.ts";

const table = openTable(variable("SUPABASE_DB_URL"));

serve(async (_call, isOver) => await pipeline({ ...table, send, isOver }));
