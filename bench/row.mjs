// SPDX-License-Identifier: Apache-2.0
//
// A row of ratios: our own servers in one group, the peers in another, each with its own floor.
import { compare } from "./rounds.mjs";
import { peers as allPeers } from "./servers.mjs";

export const named = (...names) => names.map((name) => ({ name }));

export async function compareRow(bench, title, load, budget, options = {}) {
  const { floor = "floor", own = named("spillway", "spillway + redis"), peers = named(...allPeers) } = options;
  const { report, wanted, rounds, seconds } = bench;
  report.begin(title, `${budget} x ${floor}`);
  const theirs = wanted(peers);
  const groups = [wanted(own), theirs].filter((group) => group.length);
  for (const [index, group] of groups.entries()) {
    const entries = [{ name: floor }, ...group];
    // Some peers need seconds for a burst: theirs are as many rounds as a minute has, and the table says so.
    const limit = group === theirs ? Math.min(seconds, 60) : seconds;
    const outcome = await compare({ entries, load, rounds, seconds: limit, progress: report.progress, ...options.compare });
    if (index > 0) {
      outcome.results.delete(floor); // its A/A was told with our own
      outcome.aa = report.row.aa;
    }
    report.ratios(outcome, { budget, floor, heading: index === 0 });
  }
}
