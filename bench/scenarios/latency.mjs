// SPDX-License-Identifier: Apache-2.0
//
// From PUBLISH to each client's read, through Redis, at a rate that every server can keep.
import { Load, missing, overRedis, peers, start } from "../servers.mjs";
import { named } from "../row.mjs";
import { quantile } from "../rounds.mjs";

const perSecond = 25;
const sliceMs = 1000;

export async function run({ report, wanted, quick }) {
  report.begin(`latency through Redis: ${perSecond} messages/s to 1,000 subscribers`);
  const subjects = [];
  const names = wanted(named(...overRedis(["spillway", ...peers]))).map(({ name }) => name);
  try {
    for (const name of names) {
      const why = missing(name);
      if (why) {
        report.fail(name, why);
        continue;
      }
      report.progress(`starting ${name}`);
      const server = await start(name);
      const load = new Load(server, {});
      subjects.push({ name, server, load, slices: [] });
      await load.answer();
    }
    const rounds = quick ? 2 : 12;
    for (let round = -1; round < rounds; round++) {
      report.progress(`round ${round + 1} of ${rounds}`);
      for (const { load, slices } of subjects) {
        const slice = await load.ask(`rate ${perSecond} ${sliceMs}`);
        if (round >= 0) {
          slices.push(slice);
        }
      }
    }
    report.columns(["p50 ms", "p99 ms", "p99.9 ms", "load idle"]);
    for (const { name, slices } of subjects) {
      const [p50, p99, p999, idle] = ["p50", "p99", "p999", "idle"].map((key) =>
        quantile(slices.map((slice) => slice[key]), 0.5),
      );
      const cells = [p50.toFixed(2), p99.toFixed(2), p999.toFixed(2), `${Math.round(idle * 100)} %`];
      report.values(name, cells, p99, { p50, p99, p999, idle, label: `p99 ${p99.toFixed(2)} ms` });
    }
  } finally {
    report.progress("");
    for (const { load, server } of subjects) {
      await load.stop();
      await server.stop();
    }
  }
}
