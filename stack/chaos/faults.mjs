/**
 * What bad receivers do. A fault with `acknowledges` has sent a whole 2xx head: the delivery counts as delivered,
 * whatever becomes of the body.
 *
 * @typedef {object} Fault
 * @property {string} name
 * @property {boolean} [acknowledges]
 * @property {(socket: import("node:net").Socket) => void} [onConnection] done before anything is read
 * @property {(response: import("node:http").ServerResponse, elsewhere: string) => void} [onRequest] done once the
 * whole request is there; `elsewhere` is another receiver's URL
 */

/** A drop comes at this pace, for at most so long. */
const DRIP_MS = 200;
const PATIENCE_MS = 3_000;

/** @type {Fault[]} */
export const FAULTS = [
  { name: "answers 500", onRequest: (response) => response.writeHead(500).end("out of order") },
  { name: "answers 404", onRequest: (response) => response.writeHead(404).end("not yet") },
  {
    name: "answers 429, Retry-After: 1",
    onRequest: (response) => response.writeHead(429, { "retry-after": "1" }).end(),
  },
  { name: "never answers", onRequest: ({ socket }) => giveUpLater(socket) },
  { name: "resets before reading", onConnection: (socket) => socket.resetAndDestroy() },
  { name: "resets after reading", onRequest: ({ socket }) => socket.resetAndDestroy() },
  { name: "closes at once", onConnection: (socket) => socket.destroy() },
  { name: "closes after reading", onRequest: ({ socket }) => socket.destroy() },
  {
    name: "redirects",
    onRequest: (response, elsewhere) => response.writeHead(302, { location: elsewhere }).end(),
  },
  {
    name: "a head that never ends",
    onRequest: ({ socket }) => drip(socket, "HTTP/1.1 200 OK\r\n", "x-drop: drop\r\n"),
  },
  {
    name: "a body that never ends",
    acknowledges: true,
    onRequest: ({ socket }) => drip(socket, "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", "drop "),
  },
  {
    name: "a body that breaks off",
    acknowledges: true,
    onRequest: ({ socket }) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf a"),
  },
];

function drip(socket, start, drop) {
  socket.write(start);
  const timer = setInterval(() => socket.write(drop), DRIP_MS);
  socket.once("close", () => clearInterval(timer));
  giveUpLater(socket);
}

function giveUpLater(socket) {
  const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
  socket.once("close", () => clearTimeout(timer));
}
