// SPDX-License-Identifier: Apache-2.0
//
// User memory by growth of RSS: for each idle client, each further subscription, each topic.
import { named } from "../row.mjs";
import { Load, missing, peers, sleep, start } from "../servers.mjs";

async function settled(server) {
  await sleep(700);
  return server.rssBytes();
}

// RSS of a fresh server with each of the loads connected after the other.
async function grow(name, loads) {
  const server = await start(name);
  const connected = [];
  const sizes = [];
  try {
    for (const load of loads) {
      connected.push(new Load(server, load));
      await connected.at(-1).answer();
      sizes.push(await settled(server));
    }
    return sizes;
  } finally {
    for (const load of connected) {
      await load.stop();
    }
    await server.stop();
  }
}

async function perClient(name) {
  const [few, many] = await grow(name, [{ clients: 1000 }, { clients: 18000 }]);
  return (many - few) / 18000;
}

// The same clients with one and with fifty of the same topics.
async function perSubscription(name) {
  const clients = 2000;
  const [one] = await grow(name, [{ clients, topics: 50, each: 1 }]);
  const [fifty] = await grow(name, [{ clients, topics: 50, each: 50 }]);
  return (fifty - one) / clients / 49;
}

// The same clients with five topics each, shared or their own.
async function perTopic(name) {
  const clients = 2000;
  const [shared] = await grow(name, [{ clients, topics: 5 }]);
  const [own] = await grow(name, [{ clients, topics: 10000, each: 5 }]);
  return (own - shared) / (10000 - 5);
}

async function row({ report }, title, budget, names, measure) {
  report.begin(title, budget && `${budget} bytes`);
  report.columns(["bytes"]);
  for (const name of names) {
    const why = missing(name);
    report.progress(name);
    try {
      if (why) {
        throw new Error(why);
      }
      const bytes = Math.round(await measure(name));
      const verdict = budget && name === "spillway" ? report.verdict(bytes <= budget) : "";
      report.values(name, [String(bytes)], bytes, { verdict, label: `${bytes} bytes` });
    } catch (error) {
      report.fail(name, error.message);
    }
  }
}

export async function run(bench) {
  const names = (list) => bench.wanted(named(...list)).map(({ name }) => name);
  await row(bench, "user memory of an idle client", 512, names(["floor", "spillway", ...peers]), perClient);
  await row(bench, "user memory of a further subscription", 40, names(["spillway"]), perSubscription);
  await row(bench, "user memory of a topic", 400, names(["spillway"]), perTopic);
}
