/** npm run bench, in small: all kinds deliver all, and its figures are whole. No time is asserted. */

import assert from "node:assert/strict";
import { cpuMs } from "../../bench/usage.mjs";
import { quantile, ratio, summary } from "../../bench/figures.mjs";

const ROOT = new URL("../../", import.meta.url).pathname;
/** One of them is the slow endpoint's in the slow mix. */
const ROWS = 60;
const RATIOS = [
  ...["rate_0ms_vs_naive", "rate_0ms_vs_pipelined", "efficiency_50ms", "efficiency_200ms"],
  ...["slow_mix_vs_strict", "cpu_vs_pipelined", "cpu_vs_svix"],
];

async function bench(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command("node", {
    args: ["bench/bench.mjs", ...args],
    cwd: ROOT,
  }).output();
  const [out, said] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out: out!, said: said! };
}

const last = (out: string) => JSON.parse(out.trim().split("\n").at(-1)!);

Deno.test("all dispatchers and ceilings make all their deliveries, plain and over TLS", async () => {
  const cells = ["0ms", "5ms/3/10/tls"];
  const { code, out, said } = await bench(
    ...["--cells", cells.join(","), "--kinds", "all", "--rows", String(ROWS), "--rounds", "1", "--json"],
  );
  assert.equal(code, 0, said);
  const result = last(out);
  assert.deepEqual(Object.keys(result.ratios), RATIOS);
  assert.deepEqual(result.cells.map(({ name }: { name: string }) => name), cells);
  for (const { rounds } of result.cells) {
    assert.equal(rounds.length, 1);
    assert.deepEqual(Object.keys(rounds[0]).sort(), [
      ...["database", "fetch", "http", "naive", "node_http", "ours", "pipelined", "strict", "transport"],
    ]);
    for (const one of Object.values<{ delivered: number; isCut: boolean }>(rounds[0])) {
      assert.deepEqual([one.delivered, one.isCut], [ROWS, false]);
    }
  }
});

Deno.test("a quick run has every figure that there is a goal for", async () => {
  const { code, out, said } = await bench("--quick", "--rows", String(ROWS), "--rounds", "1", "--json");
  assert.equal(code, 0, said);
  const { ratios, goals } = last(out);
  // Of so few deliveries the CPU may be less than the clock's step.
  for (const name of RATIOS.filter((one) => !one.startsWith("cpu"))) assert(ratios[name] > 0, name);
  assert.deepEqual(goals.map(({ name }: { name: string }) => name), RATIOS);
});

Deno.test("latency: each insert is received", async () => {
  const { code, out, said } = await bench("latency", "--inserts", "3", "--json");
  assert.equal(code, 0, said);
  const { inserts, p50_ms, p95_ms } = last(out);
  assert.equal(inserts, 3);
  assert(0 < p50_ms && p50_ms <= p95_ms);
});

Deno.test("what cannot be measured is one clear line", async () => {
  const cases: [string[], RegExp][] = [
    [["faster"], /^error: expected one of compare, cold, latency, linger, growth, got faster$/],
    [["--cells", "soon"], /^error: --cells: expected LATENCY\/ENDPOINTS\/KIB\/plain\|tls like .*; got soon$/],
    [["--cells", "0ms/0"], /^error: --cells: expected /],
    [["--kinds", "ours,theirs"], /^error: --kinds: expected all or some of naive, .*; got theirs$/],
    [["--rounds", "0"], /^error: --rounds: expected a whole number from 1, got 0$/],
    [["--deno", "oldest"], /^error: --deno: expected newest or hosted, got oldest$/],
  ];
  for (const [args, message] of cases) {
    const { code, said } = await bench(...args);
    assert.equal(code, 1, said);
    assert.match(said.trim().split("\n").at(-1)!, message);
  }
});

Deno.test("ratios are taken within a round, and medians and quantiles are those of the field", () => {
  const measured = (rate: number) => ({ rate });
  const rounds = [
    { ours: measured(20), other: measured(10) },
    { ours: measured(30), other: measured(10) },
    { ours: measured(1_000), other: measured(1_000) },
  ];
  // The ratio of the medians would be 3.
  assert.deepEqual(ratio(rounds, "ours", "other", ({ rate }: { rate: number }) => rate), {
    median: 2,
    least: 1,
    most: 3,
  });
  assert.deepEqual(summary([4, 1, 3, 2]), { median: 2.5, least: 1, most: 4 });
  assert.equal(summary([]), null);
  assert.equal(quantile([5, 1, 4, 2, 3], 0.5), 3);
  assert.equal(quantile([1, 2], 0.95), 2);
});

Deno.test("processor time counts children, those that have ended included", async () => {
  const busy = "const end = Date.now() + 300; while (Date.now() < end);";
  const child = new Deno.Command("node", {
    args: [
      "-e",
      `require("child_process").spawnSync("node", ["-e", ${JSON.stringify(busy)}]);
      console.log("done"); setInterval(() => {}, 1000);`,
    ],
    stdout: "piped",
  }).spawn();
  const before = cpuMs(child.pid);
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  const used = cpuMs(child.pid) - before;
  child.kill("SIGKILL");
  await child.status;
  // Where other work takes the processor, 300 ms of the clock are less of it.
  assert(used >= 50, `${used} ms`);
});
