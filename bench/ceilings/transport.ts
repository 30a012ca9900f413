/**
 * Our own transport alone, with its time-out and its bound for the answer.
 *
 * @module
 */

import type { HttpRequest } from "../../functions/_shared/core.ts";
import { createHttpTransport } from "../../functions/_shared/transport/http.ts";
import { body, serveRequests, urls } from "./requests.ts";

const MOST_ANSWER_BYTES = 4_096;
const TIMEOUT_MS = 10_000;

const { send } = createHttpTransport({ addresses: () => Promise.resolve(["127.0.0.1"]) });
const requests = new Map(urls.map((url) => [url, requestTo(new URL(url))]));

serveRequests(async (url) => {
  const request = requests.get(url);
  if (!request) throw new Error(`${url} is not among BENCH_URLS`);
  const { outcome } = await send(request, TIMEOUT_MS);
  return "answered" in outcome ? outcome.answered.status : 0;
});

function requestTo({ href: url, protocol, hostname: host, port, pathname }: URL): HttpRequest {
  const lines = [
    `POST ${pathname} HTTP/1.1`,
    `host: ${host}:${port}`,
    "content-type: application/json",
    `content-length: ${body.length}`,
  ];
  const head = `${lines.join("\r\n")}\r\n\r\n`;
  const to = { url, method: "POST", host, port: Number(port), tls: protocol === "https:" } as const;
  return { ...to, head, body, mostAnswerBytes: MOST_ANSWER_BYTES };
}
