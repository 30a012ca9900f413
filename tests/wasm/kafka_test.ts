/** The Kafka module through its boundary: each shape there and back, errors, and a login that costs no more than it may. */

import assert from "node:assert/strict";
import * as kafka from "../../functions/_shared/kafka_core.ts";

const NONCE = "rOprNGfwEbeRWgbNEkqO";

const config: kafka.ProducerConfig = {
  brokers: [{ host: "kafka.example", port: 9092 }],
  clientId: "webhooks",
  sasl: null,
  compression: "gzip",
  requestTimeoutMs: 5_000,
  connectTimeoutMs: 5_000,
};

const record: kafka.KafkaRecord = {
  key: "größe",
  value: '{"n": 12345678901234567890}',
  headers: [["webhook-id", "msg_1"], ["a", "b"]],
  timestampMs: 1_700_000_000_000,
};

/** What a call throws, with its code. */
function thrown(call: () => unknown): { name: string; code: string; message: string } {
  try {
    call();
  } catch (error) {
    assert(error instanceof Error);
    return error as unknown as { name: string; code: string; message: string };
  }
  throw new Error("nothing was thrown");
}

/** What each action holds. */
interface Actions {
  connect: { connection: number; host: string; port: number };
  write: { connection: number; bytes: Uint8Array };
  close: { connection: number };
  settled: { id: number; results: kafka.RecordResult[] };
}

/** A producer whose broker is the test. */
class Conversation {
  readonly producer: kafka.Producer;
  #actions: kafka.Action[] = [];
  wakeInMs: number | null = null;
  nowMs = 1_000;

  constructor(config: kafka.ProducerConfig) {
    this.producer = new kafka.Producer(config);
  }

  next<Key extends keyof Actions>(key: Key): Actions[Key] {
    const { actions, wakeInMs } = this.producer.poll(this.nowMs);
    this.#actions.push(...actions);
    this.wakeInMs = wakeInMs;
    const at = this.#actions.findIndex((action) => key in action);
    assert(at >= 0, `no ${key} in ${JSON.stringify(this.#actions)}`);
    const [action] = this.#actions.splice(at, 1);
    return (action as unknown as Actions)[key];
  }

  /** Answers the next request; the answer's body is in the old form, as numbers of 16 bits. */
  answer(body: number[] | Uint8Array): Uint8Array {
    const { connection, bytes } = this.next("write");
    assert(bytes instanceof Uint8Array);
    const rest = body instanceof Uint8Array ? body : int16s(...body);
    const frame = new Uint8Array(8 + rest.length);
    new DataView(frame.buffer).setInt32(0, 4 + rest.length);
    frame.set(bytes.subarray(8, 12), 4);
    frame.set(rest, 8);
    this.producer.received(connection, frame, this.nowMs);
    return bytes;
  }

  /** Opens the connection to a broker that has the versions before the flexible ones, and wants a login. */
  open(): number {
    const { connection } = this.next("connect");
    this.producer.connected(connection, NONCE, this.nowMs);
    this.answer([35]);
    this.answer([0, 0, 4, 0, 0, 8, 3, 0, 8, 17, 0, 1, 36, 0, 1]);
    return connection;
  }
}

function int16s(...values: number[]) {
  const bytes = new Uint8Array(2 * values.length);
  values.forEach((value, at) => new DataView(bytes.buffer).setInt16(2 * at, value));
  return bytes;
}

function bytes(...parts: (string | Uint8Array)[]) {
  return new Uint8Array(
    parts.flatMap((part) => [...(typeof part === "string" ? new TextEncoder().encode(part) : part)]),
  );
}

/** One broker, kafka.example:9092, that leads both partitions of `orders`. */
const METADATA = bytes(
  int16s(0, 0, 0, 1, 0, 7, 13),
  "kafka.example",
  int16s(0, 9092, -1, -1, 0, 7, 0, 1, 0, 6),
  "orders",
  new Uint8Array(1),
  int16s(0, 2),
  // Error, partition, leader, epoch, and three lists of replicas.
  int16s(0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0),
  int16s(0, 0, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0),
  int16s(0, 0, 0, 0),
);

Deno.test("a record is accepted with its partition and an offset of 64 bits", () => {
  const it = new Conversation(config);
  it.producer.produce(7, "orders", [{ ...record, key: null }], 10_000, it.nowMs);
  assert.deepEqual(it.next("connect"), { connection: 1, host: "kafka.example", port: 9092 });
  assert.equal(it.wakeInMs, 5_000);
  it.producer.connected(1, "", it.nowMs);
  it.answer([35]);
  it.answer([0, 0, 2, 0, 0, 8, 3, 0, 8]);
  it.answer(METADATA);
  const offset = int16s(0x1fff, -1, -1, -1);
  const rest = int16s(-1, -1, -1, -1, 0, 0, 0, 0, 0, 0, -1, 0, 0);
  it.answer(bytes(int16s(0, 1, 6), "orders", int16s(0, 1, 0, 0, 0), offset, rest));
  assert.deepEqual(it.next("settled"), {
    id: 7,
    results: [{ accepted: { partition: 0, offset: "2305843009213693951" } }],
  });
  it.producer.close();
  assert.deepEqual(it.next("close"), { connection: 1 });
  assert.equal(it.wakeInMs, null);
});

Deno.test("what is refused and what takes too long say so", () => {
  const it = new Conversation(config);
  it.producer.produce(1, "orders", [record], 3_000, it.nowMs);
  const { connection } = it.next("connect");
  it.producer.disconnected(connection, "10.0.0.1 is a private address", it.nowMs);
  const reason = "no broker can be reached: kafka.example:9092: 10.0.0.1 is a private address";
  assert.deepEqual(it.next("settled"), { id: 1, results: [{ rejected: { kind: "passing", reason } }] });

  it.producer.produce(2, "orders", [record], 3_000, it.nowMs);
  it.next("connect");
  it.nowMs += 3_000;
  assert.deepEqual(it.next("settled"), { id: 2, results: [{ timedOut: { afterMs: 3_000 } }] });
});

Deno.test("values of another shape are refused by their place, without being shown", () => {
  const producer = new kafka.Producer(config);
  const produce = (records: unknown) => () => producer.produce(1, "orders", records as never, 1_000, 1);
  for (
    const [call, message] of [
      [() => new kafka.Producer(null as never), "config: expected an object"],
      [
        () => new kafka.Producer({ ...config, brokers: [{ host: "a", port: 65_536 }] }),
        "config.brokers[0].port: ",
      ],
      [() => new kafka.Producer({ ...config, compression: "zstd" as never }), "none or gzip"],
      [
        () =>
          new kafka.Producer({
            ...config,
            sasl: { mechanism: "plain", username: "u", password: 77_777 as never },
          }),
        "config.sasl.password: expected a string",
      ],
      [produce({}), "records: expected an array"],
      [produce([{ ...record, key: 1 }]), "records[0].key: expected a string"],
      [produce([{ ...record, headers: [["a"]] }]), "records[0].headers[0]: expected a name and a value"],
      [produce([{ ...record, timestampMs: 1.5 }]), "records[0].timestampMs: expected a whole number from 0"],
      [() => producer.poll(-1), "nowMs: expected a whole number from 0"],
    ] as [() => unknown, string][]
  ) {
    const error = thrown(call);
    assert.deepEqual([error.name, error.code], ["ShapeError", "shape"]);
    assert(error.message.includes(message), error.message);
    assert(!error.message.includes("77777"), error.message);
  }
});

Deno.test("what a caller does wrong has a code", () => {
  assert.equal(thrown(() => new kafka.Producer({ ...config, brokers: [] })).code, "config");
  const producer = new kafka.Producer(config);
  producer.produce(1, "orders", [record], 1_000, 1);
  const again = thrown(() => producer.produce(1, "orders", [record], 1_000, 1));
  assert.deepEqual([again.name, again.code], ["KafkaError", "repeated_batch"]);
  assert.equal(thrown(() => producer.produce(2, "", [record], 1_000, 1)).code, "topic");
  const sasl: kafka.SaslCredentials = { mechanism: "scram-sha-256", username: "u", password: "p" };
  const login = new kafka.Producer({ ...config, sasl });
  assert.equal(thrown(() => login.connected(1, "short", 1)).code, "nonce");
});

Deno.test("both SCRAM mechanisms salt as WebCrypto does, and the costliest salt takes less than two seconds", async () => {
  for (const [mechanism, hash] of [["scram-sha-256", "SHA-256"], ["scram-sha-512", "SHA-512"]] as const) {
    for (const iterations of [4_096, 100_000]) {
      const it = new Conversation({ ...config, sasl: { mechanism, username: "user", password: "pencil" } });
      it.producer.produce(1, "orders", [record], 60_000, it.nowMs);
      it.open();
      const name = mechanism.toUpperCase();
      it.answer(bytes(int16s(0, 0, 1, name.length), name));
      const serverFirst = `r=${NONCE}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=${iterations}`;
      const started = performance.now();
      it.answer(bytes(int16s(0, -1, 0, serverFirst.length), serverFirst, new Uint8Array(8)));
      const tookMs = performance.now() - started;
      assert(tookMs < 2_000, `${iterations} iterations of ${hash} took ${tookMs} ms`);

      const salt = Uint8Array.from(atob("W22ZaJ0SNY7soEsUEjb6gQ=="), (c) => c.charCodeAt(0));
      const password = bytes("pencil");
      const secret = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
      const how = { name: "PBKDF2", hash, salt, iterations };
      const salted = await crypto.subtle.deriveBits(how, secret, hash === "SHA-256" ? 256 : 512);
      const hmac = async (key: BufferSource, text: string) => {
        const usage = { name: "HMAC", hash };
        const imported = await crypto.subtle.importKey("raw", key, usage, false, ["sign"]);
        return new Uint8Array(await crypto.subtle.sign("HMAC", imported, new TextEncoder().encode(text)));
      };
      const clientKey = await hmac(salted, "Client Key");
      const storedKey = new Uint8Array(await crypto.subtle.digest(hash, clientKey));
      const signature = await hmac(storedKey, `n=user,r=${NONCE},${serverFirst},c=biws,r=${NONCE}x`);
      const proof = btoa(String.fromCharCode(...clientKey.map((byte, at) => byte ^ (signature[at] ?? 0))));
      const { bytes: sent } = it.next("write");
      const message = new TextDecoder().decode(sent);
      assert(message.endsWith(`c=biws,r=${NONCE}x,p=${proof}`), message);
    }
  }
});
