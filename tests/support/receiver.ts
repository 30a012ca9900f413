/**
 * Somebody's receiver on loopback. It keeps what it gets, to the byte.
 *
 * @module
 */

export interface Received {
  method: string;
  path: string;
  headers: Headers;
  body: Uint8Array;
  text: string;
}

export interface Receiver {
  url: string;
  port: number;
  received: Received[];
  /** Resolves when this many requests have come in. */
  arrived: (count: number) => Promise<void>;
  stop: () => Promise<void>;
}

export type Answer = (request: Received, count: number) => Response | Promise<Response>;

/** A server's certificate and its key, in PEM. */
export interface Identity {
  cert: string;
  key: string;
}

/** Starts a receiver; by default it answers 200. `count` counts the requests from 1. With an identity it speaks TLS. */
export function startReceiver(answer: Answer = () => new Response("ok"), identity?: Identity): Receiver {
  const received: Received[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  const options = { port: 0, hostname: "127.0.0.1", onListen: () => {}, ...identity };
  const server = Deno.serve(options, async (request) => {
    const body = new Uint8Array(await request.arrayBuffer());
    const { pathname, search } = new URL(request.url);
    const one: Received = {
      method: request.method,
      path: pathname + search,
      headers: request.headers,
      body,
      text: new TextDecoder("utf-8", { fatal: true }).decode(body),
    };
    received.push(one);
    const count = received.length;
    for (const wait of waiting) if (wait.count <= count) wait.resolve();
    return await answer(one, count);
  });
  return {
    url: `${identity ? "https" : "http"}://127.0.0.1:${server.addr.port}`,
    port: server.addr.port,
    received,
    arrived: (count) =>
      new Promise((resolve) => received.length >= count ? resolve() : waiting.push({ count, resolve })),
    stop: () => server.shutdown(),
  };
}

/** The trace that a request belongs to. */
export function traceOf({ headers }: Received): string | undefined {
  return headers.get("traceparent")?.split("-")[1];
}

/** Runs with a receiver and stops it afterwards. */
export async function withReceiver(
  answer: Answer | undefined,
  body: (receiver: Receiver) => Promise<void>,
  identity?: Identity,
) {
  const receiver = startReceiver(answer, identity);
  try {
    await body(receiver);
  } finally {
    await receiver.stop();
  }
}

/** A port on loopback where nothing listens. */
export function closedPort(): number {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr;
  listener.close();
  return port;
}
