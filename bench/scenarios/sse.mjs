// SPDX-License-Identifier: Apache-2.0
//
// The same messages as Server-Sent Events and over WebSocket. Where the topic has a history, each stream is also told where it is:
// a bookmark (`id:`) behind what one system call brings.
import { writeFileSync } from "node:fs";
import { compare, deliverFor } from "../rounds.mjs";
import { out } from "../servers.mjs";

const budget = 1.2;
const history = { match: "bench.>", history: { size: 1000, ttl_ms: 600_000 } };

function historyFlags() {
  const file = `${out}/sse.config.json`;
  writeFileSync(file, JSON.stringify({ topics: [history] }));
  return ["--config", file];
}

// A slice of 100 ms; streams have bookmarks there where they are due, and there alone.
async function deliverAndLook(subject, ms) {
  const slice = await deliverFor(subject, ms);
  const isDue = subject.entry.load.dialect === "sse" && subject.entry.load.history === 1;
  if (isDue !== slice.result.bookmarks > 0) {
    throw new Error(`${slice.result.bookmarks} bookmarks`);
  }
  subject.bytes = slice.result.bytes / slice.result.deliveries;
  return slice;
}

async function row({ report, rounds, seconds }, title, load, flags = []) {
  const over = (key, dialect) => ({ name: "spillway", key, options: { flags }, load: { ...load, dialect } });
  report.begin(title, `${budget} x WebSocket`);
  const entries = [over("websocket", "native"), over("sse", "sse")];
  const outcome = await compare({ entries, load: {}, rounds, seconds, measure: deliverAndLook, progress: report.progress });
  report.ratios(outcome, { budget, floor: "websocket", bound: ["sse"] });
  const bytes = new Map(outcome.subjects.map((subject) => [subject.entry.key, subject.bytes.toFixed(0)]));
  report.line(["".padEnd(20), `bytes each: ${[...bytes].map((one) => one.join(" ")).join(", ")}`]);
}

export async function run(bench) {
  const flags = historyFlags();
  for (const messages of [1, 16]) {
    await row(bench, `SSE, K = ${messages}, 1 topic x 1,000`, { messages });
    await row(bench, `SSE, K = ${messages}, resumable, with bookmarks`, { messages, history: 1 }, flags);
  }
}
