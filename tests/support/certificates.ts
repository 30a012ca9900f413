/**
 * A certification authority that lives as long as a test run, made by the `openssl` program.
 *
 * @module
 */

export interface Certificates {
  /** The authority's certificate. */
  ca: string;
  /** A server's, for `localhost`, 127.0.0.1, ::1 and the names that were asked for. */
  cert: string;
  key: string;
}

/** Undefined where there is no `openssl`. */
export async function makeCertificates(hosts: string[] = []): Promise<Certificates | undefined> {
  const folder = await Deno.makeTempDir();
  const file = (name: string) => `${folder}/${name}`;
  const openssl = async (...args: string[]) => {
    const { success, stderr } = await new Deno.Command("openssl", { args, stdout: "null", stderr: "piped" })
      .output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
  };
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  try {
    const ca = ["-keyout", file("ca.key"), "-out", file("ca.pem"), "-subj", "/CN=Test CA", "-days", "2"];
    await openssl("req", "-x509", ...newKey, ...ca);
    const leaf = ["-keyout", file("leaf.key"), "-out", file("leaf.csr"), "-subj", "/CN=leaf"];
    await openssl("req", ...newKey, ...leaf);
    const all = ["DNS:localhost", "IP:127.0.0.1", "IP:::1", ...hosts.map((host) => `DNS:${host}`)];
    await Deno.writeTextFile(file("names"), `subjectAltName=${all.join(",")}`);
    const signed = ["-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial", "-days", "2"];
    const names = ["-extfile", file("names"), "-out", file("leaf.pem")];
    await openssl("x509", "-req", "-in", file("leaf.csr"), ...signed, ...names);
    return {
      ca: await Deno.readTextFile(file("ca.pem")),
      cert: await Deno.readTextFile(file("leaf.pem")),
      key: await Deno.readTextFile(file("leaf.key")),
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
