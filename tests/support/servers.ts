/**
 * Web servers that are not ours, to speak HTTP to. Each answers a POST request by its path, and says in `x-connection` over
 * which of its connections, counted by itself, that came:
 *
 * `/echo` the request line's parts and the headers, a line each, an empty line and the body · `/chunked` "one, two, three" in
 * chunks · `/empty` 204 · `/large` 1 MiB · `/close` as `/echo`, and `Connection: close` · `/early` 413 before the body was read ·
 * `/interim` as `/echo`, after 100 and 103.
 *
 * @module
 */

import type { Certificates } from "./certificates.ts";
import { closedPort, withReceiver } from "./receiver.ts";

/** The ports of a server on 127.0.0.1, by what is spoken there: `plain` and `tls`, and what else a server has. */
export type Ports = Record<string, number>;

export interface WebServer {
  name: string;
  /** What it cannot do. */
  lacks: string[];
  /** Why there is none on this machine. */
  missing: string | undefined;
  run: (certificates: Certificates | undefined, body: (ports: Ports) => Promise<void>) => Promise<void>;
}

const FOLDER = new URL("./servers/", import.meta.url).pathname;

const hyper = Deno.env.get("TEST_HYPER") || undefined;
const python = Deno.env.get("TEST_PYTHON") || "python3";
const nginx = Deno.env.get("TEST_NGINX") || undefined;

export const SERVERS: WebServer[] = [
  {
    name: "Node",
    lacks: [],
    missing: undefined,
    run: (certificates, body) => withProgram("node", [`${FOLDER}node.mjs`], certificates, body),
  },
  {
    name: "Python",
    lacks: [],
    missing: isThere(python) ? undefined : "there is no python3",
    run: (certificates, body) => withProgram(python, [`${FOLDER}python.py`], certificates, body),
  },
  {
    name: "hyper",
    lacks: ["/interim"],
    missing: hyper ? undefined : "TEST_HYPER is not set: the gate builds it",
    run: (certificates, body) => withProgram(hyper!, [], certificates, body),
  },
  {
    name: "nginx",
    lacks: ["/interim"],
    missing: nginx ? undefined : "TEST_NGINX is not set: the gate finds or installs it",
    run: (certificates, body) => withNginx(certificates, "", body),
  },
];

function isThere(program: string): boolean {
  try {
    return new Deno.Command(program, { args: ["--version"] }).outputSync().success;
  } catch {
    return false;
  }
}

/** Runs with a program whose first line of output is its ports. */
async function withProgram(
  program: string,
  args: string[],
  certificates: Certificates | undefined,
  body: (ports: Ports) => Promise<void>,
): Promise<void> {
  const env = certificates ? { TLS_CERT: certificates.cert, TLS_KEY: certificates.key } : {};
  const child = new Deno.Command(program, { args, env, stdout: "piped" }).spawn();
  const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  try {
    let line = "";
    while (!line.includes("\n")) {
      const { done, value } = await output.read();
      if (done) throw new Error(`${program} has ended without naming its ports`);
      line += value;
    }
    await body(JSON.parse(line));
  } finally {
    child.kill("SIGKILL");
    await child.status;
    await output.cancel();
  }
}

/** A request as its receiver behind nginx sees it, in the form of `/echo`. */
function echo(method: string, path: string, headers: Headers, text: string): string {
  const lines = [...headers].map(([name, value]) => `${name}: ${value}\n`);
  // The proxy's own version and host are told by the proxy.
  return `${method} ${path} ${headers.get("x-version")}\n${lines.join("")}\n${text}`;
}

/**
 * Runs with nginx before a receiver. `more` are directives for its servers; `seen` gets the id of each delivery that has come
 * through.
 */
export async function withNginx(
  certificates: Certificates | undefined,
  more: string,
  body: (ports: Ports) => Promise<void>,
  seen: (string | null)[] = [],
): Promise<void> {
  await withReceiver(({ method, path, headers, text }) => {
    seen.push(headers.get("webhook-id"));
    if (path === "/large") return new Response("x".repeat(1_048_576));
    if (path !== "/chunked") return new Response(echo(method, path, headers, text));
    return new Response(
      ReadableStream.from(["one, ", "two, ", "three"]).pipeThrough(new TextEncoderStream()),
    );
  }, async (receiver) => {
    const folder = await Deno.makeTempDir();
    // Whoever it becomes has to get in.
    await Deno.chmod(folder, 0o755);
    const ports: Ports = { plain: closedPort(), ...(certificates && { tls: closedPort() }) };
    await Deno.writeTextFile(`${folder}/nginx.conf`, configuration(folder, ports, receiver.port, more));
    if (certificates) {
      await Deno.writeTextFile(`${folder}/cert.pem`, certificates.cert);
      await Deno.writeTextFile(`${folder}/key.pem`, certificates.key);
    }
    const args = ["-p", folder, "-e", "stderr", "-c", `${folder}/nginx.conf`];
    const child = new Deno.Command(nginx!, { args, stderr: "piped", stdout: "null" }).spawn();
    const said = new Response(child.stderr).text();
    try {
      await listening(ports, child);
      await body(ports);
    } catch (error) {
      child.kill("SIGTERM");
      throw new Error(`nginx: ${(await said).slice(-2_000)}`, { cause: error });
    } finally {
      try {
        child.kill("SIGTERM");
      } catch {
        // It has ended by itself.
      }
      await child.status;
      await said;
      await Deno.remove(folder, { recursive: true });
    }
  });
}

/** One worker, so that its connections are counted from one place. */
function configuration(folder: string, ports: Ports, upstream: number, more: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join("\n  ")}
  client_max_body_size 32m;
  large_client_header_buffers 4 32k;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_set_header X-Version $server_protocol_version;
  map $server_protocol $server_protocol_version { "HTTP/1.1" 1.1; default another; }
  add_header X-Connection $connection always;
  add_header X-Requests $connection_requests always;
  ${more}
  server {
    listen 127.0.0.1:${ports.plain};
    ${
    ports.tls
      ? `listen 127.0.0.1:${ports.tls} ssl;
    ssl_certificate ${folder}/cert.pem;
    ssl_certificate_key ${folder}/key.pem;`
      : ""
  }
    location / { proxy_pass http://127.0.0.1:${upstream}; }
    location = /empty { return 204; }
    location = /early { client_max_body_size 1k; proxy_pass http://127.0.0.1:${upstream}; }
    location = /close { keepalive_timeout 0; proxy_pass http://127.0.0.1:${upstream}; }
  }
}
`;
}

/** Asks until somebody answers, or the program has ended. */
async function listening(ports: Ports, child: Deno.ChildProcess): Promise<void> {
  let ended = false;
  child.status.then(() => ended = true);
  for (const port of Object.values(ports)) {
    while (true) {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
        break;
      } catch (error) {
        if (ended) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }
}
