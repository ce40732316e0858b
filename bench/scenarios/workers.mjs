// SPDX-License-Identifier: Apache-2.0
//
// One worker against two. The load generator has the second CPU, which the second worker shares.
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { compare } from "../rounds.mjs";
import { Load, start } from "../servers.mjs";

// How many descriptors each of a process's epolls watches.
function watched(pid) {
  const counts = [];
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    if (readlinkSync(`/proc/${pid}/fd/${fd}`).includes("eventpoll")) {
      counts.push(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8").split("tfd:").length - 1);
    }
  }
  return counts.sort((a, b) => b - a);
}

async function split(report) {
  const clients = 4000;
  report.begin(`two workers: how ${clients} connections are split`, "45:55 or better");
  const server = await start("spillway", { workers: 2, cpus: "0,1" });
  const load = new Load(server, { clients });
  try {
    await load.answer();
    const [most, least] = watched(server.pid);
    const part = Math.round((100 * least) / (most + least));
    const verdict = report.verdict(part >= 45);
    report.values("spillway", [`${part}:${100 - part}`], 0, { verdict, label: `${part}:${100 - part}` });
  } finally {
    await load.stop();
    await server.stop();
  }
}

export async function run({ report, rounds, seconds }) {
  const one = { name: "spillway", key: "one worker" };
  const two = (key, cpus) => ({ name: "spillway", key, options: { workers: 2, cpus } });
  const entries = [one, two("two, on one core", "0"), two("two, on two cores", "0,1")];
  for (const [title, load] of [
    ["two workers, 1 topic x 1,000", {}],
    ["two workers, K = 16, 1 topic x 1,000", { messages: 16 }],
  ]) {
    report.begin(title, "1.05 x one worker");
    const outcome = await compare({ entries, load, rounds, seconds, progress: report.progress });
    report.ratios(outcome, { budget: 1.05, floor: "one worker", bound: ["two, on one core", "two, on two cores"] });
  }
  await split(report);
}
