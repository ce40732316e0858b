// SPDX-License-Identifier: Apache-2.0
//
// Redis in the path and a publisher that does not wait: what one core of a node can deliver.
import { compare } from "../rounds.mjs";
import { named } from "../row.mjs";
import { overRedis, peers } from "../servers.mjs";

export async function run({ report, wanted, rounds, seconds }) {
  report.begin("Redis in the path, 1,000 subscribers, 2 x 64 messages under way", "5 M deliveries/s on one core");
  const entries = wanted(named(...overRedis(["spillway", ...peers])));
  const load = { messages: 64, window: 2 };
  // The floor is there for the scale alone: no Redis feeds it.
  const outcome = await compare({
    entries: [{ name: "batch floor" }, ...entries],
    load,
    rounds: Math.min(rounds, 50),
    seconds,
    progress: report.progress,
  });
  report.columns(["M/s on a core", "ns each", "M/s by clock", "load idle", "rounds"]);
  for (const [name, result] of outcome.results) {
    if (result.missing) {
      report.fail(name, result.missing);
      continue;
    }
    const perCore = 1000 / result.ns;
    const verdict = name.startsWith("spillway") ? report.verdict(perCore >= 5) : "";
    report.values(
      name,
      [
        perCore.toFixed(2),
        result.ns.toFixed(1),
        (result.rate / 1e6).toFixed(2),
        `${Math.round(result.idle * 100)} %`,
        String(result.rounds),
      ],
      result.ns,
      { ...result, verdict, label: `${perCore.toFixed(2)} M/s`, note: result.idle < 0.1 ? "load-bound" : "" },
    );
  }
}
