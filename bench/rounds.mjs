// SPDX-License-Identifier: Apache-2.0
//
// The method: all servers of a row alive, slices of 100 ms in turn, the floor twice in each round, and
// the ratio of a server to the floor taken within each round.
import { Load, missing, sleep, start } from "./servers.mjs";

export function quantile(values, part) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = part * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low] + (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]) * (at - low);
}

// [10 %, median, 90 %]
export const interval = (values) => [0.1, 0.5, 0.9].map((part) => quantile(values, part));

// Of what came between two readings of a histogram, the time that 99 % stayed below, as far as its buckets tell.
export function p99Between(before, after) {
  const counts = after.map(([bound, count], at) => [bound, count - before[at][1]]);
  const most = counts.at(-1)[1] * 0.99;
  const at = counts.findIndex(([, count]) => count >= most);
  const [low, below] = at > 0 ? counts[at - 1] : [0, 0];
  const [high, upTo] = counts[at];
  return high === Infinity ? low : low + ((high - low) * (most - below)) / (upTo - below);
}

// Reaches the budget, or cannot be told from the floor itself.
export function meets(ratio, aa, budget) {
  return ratio[0] <= budget || (ratio[0] >= aa[0] && ratio[2] <= aa[2]);
}

// Below this share of waiting, what was measured may be the load generator.
export const leastIdle = 0.1;

async function open(entry, load) {
  const server = await start(entry.name, entry.options);
  const connected = new Load(server, { ...load, ...entry.load });
  try {
    await connected.answer();
  } catch (error) {
    await connected.stop();
    await server.stop();
    throw error;
  }
  return { entry, server, load: connected, costs: [], idle: [], rates: [] };
}

// One slice: what it cost, by the server's own account. The pause lets it finish what no client awaits.
export async function deliverFor(subject, ms) {
  const before = subject.server.cpuNs();
  const result = await subject.load.ask(`for ${ms}`);
  await sleep(2);
  return { cost: (subject.server.cpuNs() - before) / result.deliveries, result };
}

export async function shakeHandsFor(subject, ms) {
  const before = subject.server.cpuNs();
  const result = await subject.load.ask(`handshakes ${ms}`);
  await sleep(2);
  const cost = (subject.server.cpuNs() - before) / result.handshakes;
  await subject.load.ask("drop");
  await sleep(30);
  return { cost, result };
}

// entries: {name, key?, options?, load?}, the first of which stands twice (A/A). Returns for each entry
// {ns, ratio, idle, rate, rounds, costs} or {missing}, and `aa`. Throws where a delivery was wrong at our own.
export async function compare({ entries, load, rounds, seconds, slice = 100, measure = deliverFor, progress }) {
  const subjects = [];
  const key = (entry) => entry.key ?? entry.name;
  const results = new Map(entries.map((entry) => [key(entry), {}])); // told in this order
  try {
    for (const entry of [entries[0], entries[0], ...entries.slice(1)]) {
      const why = missing(entry.name);
      if (why) {
        results.set(key(entry), { missing: why });
        continue;
      }
      progress(`starting ${key(entry)}`);
      try {
        subjects.push(await open(entry, load));
      } catch (error) {
        results.set(key(entry), { missing: `failed: ${error.message}` });
      }
    }
    if (subjects.filter(({ entry }) => entry === entries[0]).length < 2) {
      throw new Error(`${key(entries[0])}: ${results.get(key(entries[0])).missing}`);
    }
    await sleep(500);
    const drop = async (subject, error) => {
      results.set(key(subject.entry), { missing: `failed: ${error.message}` });
      subjects.splice(subjects.indexOf(subject), 1);
      await subject.load.stop();
      await subject.server.stop();
    };
    for (const subject of [...subjects]) {
      await measure(subject, slice).catch((error) => drop(subject, error));
    }
    const begun = Date.now();
    const floors = subjects.slice(0, 2);
    for (let round = 0; round < rounds && (Date.now() - begun < seconds * 1000 || round < 3); round++) {
      progress(`round ${round + 1} of ${rounds}`);
      const turn = round % subjects.length;
      for (const subject of [...subjects.slice(turn), ...subjects.slice(0, turn)]) {
        try {
          const { cost, result } = await measure(subject, slice);
          subject.costs.push(cost);
          subject.idle.push(result.idle);
          subject.rates.push(result.deliveries / result.seconds);
        } catch (error) {
          await drop(subject, error);
        }
      }
    }
    const [a, b] = floors;
    const floor = a.costs.map((cost, round) => (cost + b.costs[round]) / 2);
    const aa = interval(a.costs.map((cost, round) => b.costs[round] / cost));
    for (const subject of subjects.filter((one) => one !== b)) {
      const own = subject === a ? floor : subject.costs;
      results.set(key(subject.entry), {
        ns: quantile(own, 0.5),
        ratio: subject === a ? aa : interval(own.map((cost, round) => cost / floor[round])),
        idle: quantile(subject.idle, 0.5),
        rate: quantile(subject.rates, 0.5),
        rounds: own.length,
        costs: own.map((cost) => Math.round(cost * 10) / 10),
      });
    }
    return { results, aa, subjects };
  } finally {
    progress("");
    for (const subject of subjects) {
      await subject.load.stop();
      await subject.server.stop();
    }
  }
}
