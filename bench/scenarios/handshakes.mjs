// SPDX-License-Identifier: Apache-2.0
//
// Bad handshakes, 5,000 a second for 30 s: what do the clients that are there notice, and what stays of it in memory? Beside it the
// same on a second node, where nobody of theirs is: what the kernel and the clients' CPU make of it.
import { p99Between, quantile } from "../rounds.mjs";
import { Intruders, Load, sleep, start } from "../servers.mjs";

const clients = 200;
const perSecond = 200;
const rate = 5000;
const bound = 1.5;

async function oneRound({ server, theirs, load, intruders }, ms) {
  const inNode = [await server.histogram("deliver_seconds")];
  const alone = await load.ask(`rate ${perSecond} ${ms}`);
  inNode.push(await server.histogram("deliver_seconds"));
  const before = { rss: theirs.rssBytes(), cpu: theirs.cpuNs() };
  const during = load.ask(`rate ${perSecond} 0`);
  const flood = await intruders.ask(ms);
  load.say("enough");
  const beside = await during;
  inNode.push(await server.histogram("deliver_seconds"));
  const node = [p99Between(inNode[0], inNode[1]), p99Between(inNode[1], inNode[2])];
  return { alone, beside, node, flood, before, after: { rss: theirs.rssBytes(), cpu: theirs.cpuNs() } };
}

// The first flood warms up: what is kept for the next is there behind it.
async function measure(nextDoor, { rounds, ms, progress }) {
  const server = await start("spillway");
  const theirs = nextDoor ? await start("spillway", { idle: true }) : server;
  const load = new Load(server, { clients });
  const intruders = new Intruders(theirs, { rate });
  const results = [];
  try {
    await load.answer();
    await intruders.ask(2000);
    for (let round = 0; round < rounds; round++) {
      progress(`round ${round + 1} of ${rounds}`);
      await sleep(500);
      results.push(await oneRound({ server, theirs, load, intruders }, ms));
    }
    return results;
  } finally {
    await intruders.stop();
    await load.stop();
    await server.stop();
    await theirs.stop();
  }
}

// `floor`: the figures of the same flood next door, where these are not its own.
function tell(report, name, results, floor) {
  const median = (pick) => quantile(results.map(pick), 0.5);
  const sum = (pick) => results.reduce((total, result) => total + pick(result), 0);
  const ratio = median(({ alone, beside }) => beside.p99 / alone.p99);
  const figures = {
    p99: [median(({ alone }) => alone.p99), median(({ beside }) => beside.p99)],
    node: [0, 1].map((at) => median(({ node }) => node[at])),
    p50: [median(({ alone }) => alone.p50), median(({ beside }) => beside.p50)],
    ratio,
    toFloor: floor && median(({ beside }) => beside.p99) / floor.p99[1],
    rss: [results[0].before.rss, results.at(-1).after.rss],
    rate: median(({ flood }) => flood.attempts / flood.seconds),
    unanswered: sum(({ flood }) => flood.other + flood.closed + flood.silent),
    cpu: median(({ before, after, flood }) => (after.cpu - before.cpu) / 1e9 / flood.seconds),
    results,
  };
  const cells = [
    ...figures.p99.map((ms) => ms.toFixed(2)), ratio.toFixed(2), figures.toFloor?.toFixed(2) ?? "",
    ...[...figures.node, ...figures.p50].map((ms) => ms.toFixed(2)), ...figures.rss.map((bytes) => (bytes / 2 ** 20).toFixed(2)),
    figures.rate.toFixed(0), figures.unanswered.toFixed(0), figures.cpu.toFixed(2),
  ];
  const verdict = floor ? report.verdict(figures.toFloor <= bound) : "";
  report.values(name, cells, ratio, { ...figures, verdict, label: `p99 x ${ratio.toFixed(2)}` });
  return figures;
}

export async function run({ report, quick, rounds }) {
  const what = `${rate} bad handshakes a second beside ${clients} clients that read ${perSecond} messages/s`;
  report.begin(what, `their p99 within ${bound} x next door`);
  report.columns([
    "p99 ms alone", "flood", "ratio", "x next door", "in node", "flood", "p50 alone", "flood", "RSS MB", "behind", "a second",
    "unanswered", "node CPUs",
  ]);
  const settings = { rounds: quick ? 1 : Math.min(rounds, 3), ms: quick ? 3000 : 30000, progress: report.progress };
  const floor = tell(report, "next door", await measure(true, settings));
  tell(report, "the same node", await measure(false, settings), floor);
}
