/**
 * The receivers, all in this process. They note every request, and believe none that the standardwebhooks library has
 * not verified. Some are healthy; the others do bad things, to a share of their requests or to the first of them.
 */

import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { listen } from "../functions.mjs";
import { FAULTS } from "./faults.mjs";
import { randomFrom } from "./random.mjs";

const HEALTHY_SHARE = 0.4;
const FAULT_SHARE = 0.3;
/** Of the bad receivers, so many are bad at first and then healed; so many requests go wrong there. */
const AT_FIRST_SHARE = 0.3;
const BAD_AT_FIRST = 15;

/**
 * @param {import("../cleanup.mjs").Cleanup} cleanup
 * @param {{ count: number, seed: string, deliveries: Map<string, { receiver: number, n: number }> }} options
 * `deliveries`: what is to come, by id
 *
 * @typedef {object} Request
 * @property {string} id
 * @property {number} receiver
 * @property {string} span the attempt's own id, from `traceparent`
 * @property {number} at milliseconds since 1970
 * @property {number | null} acknowledgedAt
 * @property {string} body
 * @property {string | null} problem what is wrong with it
 */
export async function startReceivers(cleanup, { count, seed, deliveries }) {
  const { Webhook } = await import("standardwebhooks");
  /** @type {Request[]} */
  const requests = [];
  /** Who wants to have a request before it is acknowledged. */
  const waiting = [];
  const receivers = behaviours(count, seed).map((behaviour, index) => {
    const secret = `whsec_${randomBytes(24).toString("base64")}`;
    return { ...behaviour, index, secret, webhook: new Webhook(secret), url: "", elsewhere: "" };
  });

  const receive = (receiver, request, response, body) => {
    const noted = note(receiver, request, body, deliveries);
    requests.push(noted);
    if (noted.problem) return response.writeHead(401).end(noted.problem);
    const fault = receiver.faultFor(noted.id);
    const answer = () => {
      // Nobody can take an answer any more.
      if (response.socket.destroyed) return;
      if (!fault || fault.acknowledges) noted.acknowledgedAt = Date.now();
      if (fault) fault.onRequest(response, receiver.elsewhere);
      else response.writeHead(200, receiver.headers).end('{"received":true}');
    };
    if (fault || waiting.length === 0) answer();
    else waiting.shift()({ id: noted.id, acknowledge: answer });
  };

  for (const receiver of receivers) {
    const server = createServer(async (request, response) => {
      const body = await read(request);
      // Its sender has died in the middle.
      if (body !== null) receive(receiver, request, response, body);
    });
    server.on("connection", (socket) => {
      socket.on("error", () => {});
      receiver.faultOfConnection()?.onConnection(socket);
    });
    const { port, stop } = await listen(server, 0, "a receiver");
    await cleanup.add(stop);
    receiver.url = `http://127.0.0.1:${port}/receiver/${receiver.index}`;
  }
  // A redirect that is followed arrives where its signature means nothing, and is a problem there.
  for (const { index } of receivers) receivers[index].elsewhere = receivers[(index + 1) % count].url;
  return {
    receivers,
    requests,
    /**
     * The next request that would be acknowledged: its receiver leaves that to the caller. Undefined where `end`
     * comes first.
     */
    nextHeld: (end) =>
      new Promise((resolve) => {
        waiting.push(resolve);
        const giveUp = () => {
          if (waiting.includes(resolve)) waiting.splice(waiting.indexOf(resolve), 1);
          resolve(undefined);
        };
        end.then(giveUp, giveUp);
      }),
  };
}

/** Who is healthy, and who does what; all faults are dealt out, several to each where there are few receivers. */
function behaviours(count, seed) {
  const healthy = Math.floor(count * HEALTHY_SHARE);
  const bad = count - healthy;
  return Array.from({ length: count }, (_, index) => {
    if (index < healthy) return behaviour({ index, seed, faults: [], atFirst: false });
    const nth = index - healthy;
    const dealt = FAULTS.filter((_, at) => at % bad === nth);
    const faults = dealt.length > 0 ? dealt : [FAULTS[nth % FAULTS.length]];
    return behaviour({
      index,
      seed,
      faults,
      atFirst: randomFrom(seed, "at first", index)() < AT_FIRST_SHARE,
    });
  });
}

function behaviour({ index, seed, faults, atFirst }) {
  const ofConnections = faults.filter((fault) => fault.onConnection);
  const ofRequests = faults.filter((fault) => fault.onRequest);
  const seen = new Map();
  let failed = 0;
  const choose = (among, random) => {
    if (among.length === 0) return undefined;
    const share = FAULT_SHARE * (among.length / faults.length);
    const goesWrong = atFirst ? failed < BAD_AT_FIRST : random() < share;
    if (!goesWrong) return undefined;
    failed++;
    return among[Math.floor(random() * among.length)];
  };
  let connections = 0;
  const when = atFirst ? `the first ${BAD_AT_FIRST}` : `${FAULT_SHARE * 100} %`;
  return {
    describe: faults.length === 0 ? "healthy" : `${faults.map(({ name }) => name).join(", ")} (${when})`,
    // What befalls a connection befalls to a request only where each has one of its own.
    /** So many times it did something bad. */
    failures: () => failed,
    headers: ofConnections.length > 0 ? { connection: "close" } : {},
    faultOfConnection: () => choose(ofConnections, randomFrom(seed, index, "connection", connections++)),
    /** The nth request of a delivery has its fate, in whatever order requests come. */
    faultFor: (id) => {
      const nth = seen.get(id) ?? 0;
      seen.set(id, nth + 1);
      return choose(ofRequests, randomFrom(seed, index, id, nth));
    },
  };
}

/** @returns {Request} */
function note(receiver, request, body, deliveries) {
  const id = String(request.headers["webhook-id"]);
  const span = /^00-[0-9a-f]{32}-([0-9a-f]{16})-01$/.exec(request.headers.traceparent ?? "")?.[1] ?? "";
  const expected = deliveries.get(id);
  const problemOf = () => {
    let event;
    try {
      event = receiver.webhook.verify(body, request.headers);
    } catch (error) {
      return `${request.method} ${request.url}: ${error.message}`;
    }
    if (!expected) return "nobody has sent this";
    if (expected.receiver !== receiver.index) return `receiver ${receiver.index} got another one's delivery`;
    if (event.idempotency_key !== id) return `its idempotency_key is ${event.idempotency_key}`;
    if (event.event !== "order.paid" || event.data.n !== expected.n) {
      return `its body is not its own: ${body}`;
    }
    return span ? null : `its traceparent is ${request.headers.traceparent}`;
  };
  return {
    id,
    receiver: receiver.index,
    span,
    at: Date.now(),
    acknowledgedAt: null,
    body,
    problem: problemOf(),
  };
}

async function read(request) {
  const chunks = [];
  try {
    for await (const chunk of request) chunks.push(chunk);
    return Buffer.concat(chunks).toString("utf8");
  } catch {
    return null;
  }
}
