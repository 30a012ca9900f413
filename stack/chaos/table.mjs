/** What a chaos run shows at its end. */

export function receiverTable({ receivers, requests, deliveries }) {
  const rows = receivers.map(({ index, describe, failures }) => {
    const own = requests.filter(({ receiver }) => receiver === index);
    const acknowledged = own.filter(({ acknowledgedAt }) => acknowledgedAt !== null);
    const owed = [...deliveries.values()].filter(({ receiver }) => receiver === index).length;
    const delivered = new Set(acknowledged.map(({ id }) => id)).size;
    const figures = [owed, own.length, failures(), delivered, acknowledged.length - delivered];
    return [`${index}: ${describe}`, ...figures.map(String)];
  });
  return aligned([["receiver", "deliveries", "requests", "faults", "delivered", "again"], ...rows]);
}

export function summaryTable({ lost, unexplained, duplicates, causes, mostByOneKill, ...run }) {
  const { seconds, requests, outages, unanswered } = run;
  const downtimes = outages.map(({ how, from, to }) => `${how} (${((to - from) / 1000).toFixed(1)} s)`);
  const because = Object.entries(causes).map(([cause, count]) => `${count} by ${cause}`);
  return aligned([
    ["lost", String(lost)],
    ["unexplained", String(unexplained.length)],
    ["duplicates", `${duplicates}; acknowledged and not known: ${because.join(", ")}`],
    ["most by one kill", String(mostByOneKill)],
    ["PostgreSQL", downtimes.join(", ") || "stayed up"],
    ["requests", String(requests.length)],
    ["calls without an answer", String(unanswered)],
    ["seconds", String(seconds)],
  ]);
}

function aligned(rows) {
  const widths = rows[0].map((_, at) => Math.max(...rows.map((row) => row[at].length)));
  const lines = rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at])).join("  ").trimEnd());
  return `\n${lines.join("\n")}`;
}
