// SPDX-License-Identifier: Apache-2.0
//
// The same messages of a topic whose rule says `compress`, to clients that take permessage-deflate and to clients that do not: what
// compressing costs is shared by all who read.
import { writeFileSync } from "node:fs";
import { compare, deliverFor } from "../rounds.mjs";
import { out } from "../servers.mjs";

const rule = { match: "bench.>", compress: true };

function ruleFlags() {
  const file = `${out}/compress.config.json`;
  writeFileSync(file, JSON.stringify({ topics: [rule] }));
  return ["--config", file];
}

// A slice of 100 ms; its frames are compressed where they shall be, and there alone.
async function deliverAndLook(subject, ms) {
  const slice = await deliverFor(subject, ms);
  const { bytes, compressed, deliveries } = slice.result;
  if (compressed !== (subject.entry.load.compress ? deliveries : 0)) {
    throw new Error(`${compressed} of ${deliveries} frames were compressed`);
  }
  subject.bytes = bytes / deliveries;
  return slice;
}

export async function run({ report, rounds, seconds }) {
  const flags = ruleFlags();
  for (const clients of [1000, 100, 10]) {
    const over = (key, compress) => ({ name: "spillway", key, options: { flags }, load: { clients, bytes: 2048, rows: 1, compress } });
    report.begin(`2 KB of JSON, 1 topic x ${clients.toLocaleString("en")}`);
    const entries = [over("plain", 0), over("compressed", 1)];
    const outcome = await compare({ entries, load: {}, rounds, seconds, measure: deliverAndLook, progress: report.progress });
    report.ratios(outcome, { floor: "plain" });
    const bytes = outcome.subjects.map((subject) => [subject.entry.key, subject.bytes]);
    const [[, plain], [, packed]] = bytes.slice(-2);
    report.line(["".padEnd(20), `bytes each: plain ${plain.toFixed(0)}, compressed ${packed.toFixed(0)} (${(packed / plain).toFixed(2)} x)`]);
  }
}
