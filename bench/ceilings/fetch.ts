/**
 * `fetch` alone.
 *
 * @module
 */

import { body, serveRequests } from "./requests.ts";

const headers = { "content-type": "application/json" };

serveRequests(async (url) => {
  const answer = await fetch(url, { method: "POST", headers, body });
  await answer.text();
  return answer.status;
});
