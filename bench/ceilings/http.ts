/**
 * The pipeline without a database: what signing and `fetch` alone allow.
 *
 * @module
 */

import { pipeline } from "../baselines/pipeline.ts";
import { send } from "../baselines/send.ts";
import { serve } from "../baselines/serve.ts";
import { CLAIMED, type Row } from "../baselines/table.ts";
import { body, urls } from "./requests.ts";

serve(async ({ rows }, isOver) => {
  let claimed = 0;
  const claim = () => {
    const count = Math.min(CLAIMED, rows - claimed);
    const from = claimed;
    claimed += count;
    const row = (_: unknown, at: number): Row => ({
      id: crypto.randomUUID(),
      body,
      url: urls[(from + at) % urls.length] ?? "",
      secret: "a secret that signs",
    });
    return Promise.resolve(Array.from({ length: count }, row));
  };
  return await pipeline({ claim, record: () => Promise.resolve(), send, isOver });
});
