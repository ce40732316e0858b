// SPDX-License-Identifier: Apache-2.0
//
// Runs one scenario; bench/run has built what it needs.
import { Report, drawAll } from "./report.mjs";
import { killAll } from "./servers.mjs";

const [name] = process.argv.slice(2);
const quick = process.env.BENCH_QUICK === "1";
const settings = {
  quick,
  rounds: Number(process.env.BENCH_ROUNDS || (quick ? 10 : 100)),
  seconds: Number(process.env.BENCH_SECONDS || (quick ? 15 : 150)),
};
const only = (process.env.BENCH_SERVERS || "").split(",").filter(Boolean);
// "nchan" names "nchan + redis" as well.
const isWanted = ({ name }) => only.length === 0 || only.includes(name) || only.includes(name.replace(/ \+ redis$/, ""));
const wanted = (entries) => entries.filter(isWanted);

process.on("exit", killAll);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => process.exit(130));
}

const report = new Report(name, settings);
console.log(`\n== ${name}${quick ? " (quick: too few rounds for a verdict)" : ""} ==`);
const { run } = await import(`./scenarios/${name}.mjs`);
await run({ report, wanted, ...settings });
report.save();
drawAll();
process.exit(report.failed ? 1 : 0);
