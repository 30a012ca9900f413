/**
 * node:http alone, or node:https, with connections that are kept.
 *
 * @module
 */

import { Agent, request } from "node:http";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";
import { CONCURRENCY } from "../baselines/send.ts";
import { body, serveRequests } from "./requests.ts";

const options = { keepAlive: true, maxSockets: CONCURRENCY };
// node:https does not take what DENO_CERT names.
const ca = Deno.env.get("BENCH_CA") ?? "";
const [agent, tlsAgent] = [new Agent(options), new TlsAgent({ ...options, ca })];
const headers = { "content-type": "application/json", "content-length": body.length };

serveRequests((url) =>
  new Promise((resolve, reject) => {
    const outgoing = url.startsWith("https:")
      ? tlsRequest(url, { method: "POST", agent: tlsAgent, headers, ca })
      : request(url, { method: "POST", agent, headers });
    outgoing.on("response", (answer) => {
      answer.setEncoding("utf8").on("data", () => {});
      answer.on("end", () => resolve(answer.statusCode ?? 0));
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  })
);
