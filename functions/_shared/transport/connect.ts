/**
 * Connecting to exactly the addresses that may be called.
 *
 * @module
 */

import { Connection } from "./connection.ts";
import { Deadline } from "./deadline.ts";

/** A receiver: `host` as a URL writes it, IPv6 in brackets. */
export interface Peer {
  host: string;
  port: number;
  tls: boolean;
}

/** Opens a socket to an address. `signal` says that nobody waits for it any longer. */
export type OpenSocket = (address: string, port: number, signal: AbortSignal) => Promise<Deno.TcpConn>;

export interface ConnectOptions {
  /** Certificates of authorities to trust beside the platform's, in PEM. */
  caCerts: string[];
  /** How long each address gets, TLS included, in milliseconds. */
  connectTimeoutMs: number;
  openSocket: OpenSocket;
  /** What is spoken over TLS; empty for what has no name there. */
  alpnProtocols: string[];
}

/** A socket to one of a receiver's addresses, TLS included. */
export interface Opened {
  address: string;
  conn: Deno.TcpConn | Deno.TlsConn;
}

/** The platform's. Deno 2.1.4 knows no signal and ignores it. */
export const openSocket: OpenSocket = (hostname, port, signal) => {
  const options: Deno.ConnectOptions & { signal: AbortSignal } = { hostname, port, signal };
  return Deno.connect(options);
};

/** Connections with the same key are interchangeable. */
export function keyOf({ host, port, tls }: Peer, address: string): string {
  return `${tls ? "tls" : "tcp"} ${host} ${port} ${address}`;
}

/** As `openFirst`, for HTTP. */
export async function connect(
  peer: Peer,
  addresses: readonly string[],
  deadline: Deadline,
  options: ConnectOptions,
): Promise<Connection> {
  const { address, conn } = await openFirst(peer, addresses, deadline, options);
  return new Connection(keyOf(peer, address), conn, peer.tls);
}

/** Connects to the first address that works; rejects with what each of them said. */
export async function openFirst(
  peer: Peer,
  addresses: readonly string[],
  deadline: Deadline,
  options: ConnectOptions,
): Promise<Opened> {
  const failures: string[] = [];
  for (const address of addresses) {
    try {
      return { address, conn: await open(peer, address, deadline, options) };
    } catch (error) {
      if (deadline.isOver) throw error;
      const { message } = error as Error;
      failures.push(addresses.length > 1 ? `${address}: ${message}` : message);
    }
  }
  throw new Error(failures.join("; ") || "its name has no address");
}

async function open(peer: Peer, address: string, deadline: Deadline, options: ConnectOptions) {
  const { connectTimeoutMs } = options;
  const own = new Deadline(connectTimeoutMs, `no connection within ${connectTimeoutMs} ms`);
  const givenUp = new AbortController();
  let opened: Deno.TcpConn | Deno.TlsConn | undefined;
  const opening = async () => {
    const tcp = await options.openSocket(address, peer.port, givenUp.signal);
    opened = tcp;
    if (givenUp.signal.aborted) close(tcp);
    checkRemote(tcp, address, peer.port);
    // What is written goes out at once: the first request on TLS would wait for the handshake's acknowledgement.
    tcp.setNoDelay(true);
    if (!peer.tls) return tcp;
    const tls = await startTls(tcp, peer.host, options);
    opened = tls;
    if (givenUp.signal.aborted) close(tls);
    await tls.handshake().catch((error) => {
      throw new Error(tlsReason(error));
    });
    return tls;
  };
  try {
    return await deadline.within(own.within(opening()));
  } catch (error) {
    givenUp.abort();
    // A TLS handshake that is under way cannot be ended: its socket lives until the receiver answers or closes.
    if (opened) close(opened);
    throw error;
  } finally {
    own.clear();
  }
}

/** The certificate has to be that of the URL's host, whatever its address is. */
function startTls(
  tcp: Deno.TcpConn,
  host: string,
  { caCerts, alpnProtocols }: ConnectOptions,
): Promise<Deno.TlsConn> {
  const hostname = host.replace(/^\[(.*)\]$/, "$1");
  return Deno.startTls(tcp, { hostname, caCerts, ...(alpnProtocols.length > 0 && { alpnProtocols }) });
}

/** The platform resolves what is no address. Nothing may be sent to where that leads. */
function checkRemote({ remoteAddr }: Deno.TcpConn, address: string, port: number): void {
  const { hostname, port: remotePort } = remoteAddr as Deno.NetAddr;
  if (remotePort !== port || (hostname !== address && normalised(hostname) !== normalised(address))) {
    throw new Error(`connected to ${hostname} port ${remotePort} instead`);
  }
}

/** IPv6 addresses have many forms, of which a URL has one. */
function normalised(address: string): string {
  const url = `http://[${address}]`;
  return URL.canParse(url) ? new URL(url).hostname : address;
}

/** What rustls says, and what that means. */
const TLS_REASONS: [RegExp, string][] = [
  [/UnknownIssuer/, "its certificate is of no authority that is trusted here"],
  [/NotValidForName|not valid for name/, "its certificate is for another name"],
  [/NotValidYet|not valid yet/, "its certificate is not valid yet"],
  [/Expired|expired/, "its certificate has expired"],
  [/NoApplicationProtocol/, "it speaks no HTTP/1.1 here; WEBHOOK_TRANSPORT=fetch speaks HTTP/2"],
  [/InvalidContentType/, "it speaks no TLS on this port"],
];

/** Says what a TLS error means. */
export function tlsReason({ message }: Error): string {
  const [, meaning] = TLS_REASONS.find(([said]) => said.test(message)) ?? [];
  return meaning ? `TLS: ${meaning} (${message})` : `TLS: ${message}`;
}

function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // TLS has taken it over, or it is closed.
  }
}
