/** Node's servers: prints their ports, and answers as `../servers.ts` says. TLS_CERT and TLS_KEY are in PEM. */

import { createServer } from "node:http";
import { createSecureServer } from "node:http2";
import { createServer as createTlsServer } from "node:https";

const BODIES = { "/large": "x".repeat(1_048_576), "/early": "too much" };

async function answer(connection, request, response) {
  response.setHeader("x-connection", connection);
  const end = (body) => response.setHeader("content-length", body.length) && response.end(body);
  if (request.url === "/early") return response.writeHead(413).end(BODIES["/early"]);
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  switch (request.url) {
    case "/empty":
      return response.writeHead(204).end();
    case "/chunked":
      for (const part of ["one, ", "two, "]) response.write(part);
      return response.end("three");
    case "/large":
      return end(Buffer.from(BODIES["/large"]));
    case "/close":
      response.setHeader("connection", "close");
      break;
    case "/interim":
      response.writeContinue();
      response.writeProcessing();
      await new Promise((resolve) => response.writeEarlyHints({ link: "</a>; rel=preload" }, resolve));
      break;
  }
  const { method, url, httpVersion, rawHeaders } = request;
  const lines = [`${method} ${url} ${httpVersion}`];
  for (let n = 0; n < rawHeaders.length; n += 2) lines.push(`${rawHeaders[n]}: ${rawHeaders[n + 1]}`);
  end(Buffer.concat([Buffer.from(`${lines.join("\n")}\n\n`), ...chunks]));
}

function listening(server, event) {
  const connections = new WeakMap();
  let count = 0;
  server.on(event, (socket) => connections.set(socket, ++count));
  server.on("request", (request, response) => {
    // HTTP/2's socket is a proxy, which is no key; nobody counts its connections.
    answer(connections.get(request.socket) ?? 0, request, response).catch(() => response.destroy());
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));
}

const { TLS_CERT: cert, TLS_KEY: key } = process.env;
const ports = { plain: await listening(createServer(), "connection") };
if (cert) {
  ports.tls = await listening(createTlsServer({ cert, key }), "secureConnection");
  ports.either = await listening(createSecureServer({ cert, key, allowHTTP1: true }), "secureConnection");
  ports.http2 = await listening(createSecureServer({ cert, key }), "secureConnection");
}
console.log(JSON.stringify(ports));
