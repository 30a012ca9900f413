/**
 * The pipeline without HTTP: what claiming and writing alone allow.
 *
 * @module
 */

import { pipeline } from "../baselines/pipeline.ts";
import { serve, variable } from "../baselines/serve.ts";
import { openTable, type Row } from "../baselines/table.ts";

const table = openTable(variable("SUPABASE_DB_URL"));
const send = ({ id }: Row) => Promise.resolve({ id, status: 200, text: '{"received":true}' });

serve(async (_call, isOver) => await pipeline({ ...table, send, isOver }));
