/** Deliveries as a table for people. */

const HEAD = ["event", "endpoint", "attempts", "status", "signatures", "insert to receipt"];

export function deliveryTable(deliveries) {
  const rows = deliveries.map((one) => [
    one.event,
    one.endpoint,
    String(one.attempts),
    one.error ? `${one.status}: ${one.error}` : one.status,
    one.verified ? "verified" : "–",
    one.latency_ms === null ? "–" : `${one.latency_ms} ms`,
  ]);
  const widths = HEAD.map((head, at) => Math.max(head.length, ...rows.map((row) => row[at].length)));
  const line = (cells) => cells.map((cell, at) => cell.padEnd(widths[at])).join("  ").trimEnd();
  return ["", line(HEAD), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(line)].join("\n");
}
