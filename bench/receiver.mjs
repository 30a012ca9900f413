/**
 * The receiver, a process of its own: counts what it takes and answers after as many milliseconds as the path says,
 * `/LATENCY/NAME`. It reads no more of HTTP/1.1 than its callers write, so that it leaves the processor to them.
 */

import { createServer } from "node:net";
import { createServer as createTlsServer } from "node:tls";

const ANSWER = Buffer.from(
  'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n{"received":true}',
);
const REFUSED = Buffer.from(
  "HTTP/1.1 411 Length Required\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
);

let taken = 0;
/** When each delivery came, by its webhook-id, in milliseconds since 1970; kept only where somebody asks for it. */
let receipts;

const { cert, key } = process.env;
const server = cert ? createTlsServer({ cert, key }, serve) : createServer(serve);
server.listen(0, "127.0.0.1", () => process.send({ port: server.address().port }));

process.on("message", ({ ask, note }) => {
  if (ask === "reset") [taken, receipts] = [0, note ? [] : undefined];
  process.send({ taken, receipts });
});
process.on("disconnect", () => process.exit());

function serve(socket) {
  socket.setNoDelay(true);
  let rest = Buffer.alloc(0);
  /** Bytes of the body that is being read that have not come yet; null between two requests. */
  let missing = null;
  let latencyMs = 0;
  socket.on("error", () => {});
  socket.on("data", (data) => {
    let from = 0;
    if (missing === null && rest.length > 0) {
      data = Buffer.concat([rest, data]);
      rest = Buffer.alloc(0);
    }
    while (true) {
      if (missing === null) {
        const end = data.indexOf("\r\n\r\n", from);
        if (end < 0) break;
        const head = data.latin1Slice(from, end);
        const [, length] = /\r\ncontent-length: *(\d+)/i.exec(head) ?? [];
        if (length === undefined) return socket.end(REFUSED);
        latencyMs = Number(/^POST \/(\d+)/.exec(head)?.[1] ?? 0);
        receipts?.push({ id: /\r\nwebhook-id: *([^\r]+)/i.exec(head)?.[1], at: now() });
        missing = Number(length);
        from = end + 4;
      }
      const here = Math.min(missing, data.length - from);
      missing -= here;
      from += here;
      if (missing > 0) break;
      missing = null;
      taken++;
      if (latencyMs === 0) socket.write(ANSWER);
      else setTimeout(() => socket.writable && socket.write(ANSWER), latencyMs);
    }
    if (missing === null && from < data.length) rest = data.subarray(from);
  });
}

function now() {
  return performance.timeOrigin + performance.now();
}
