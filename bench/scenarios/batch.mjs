// SPDX-License-Identifier: Apache-2.0
//
// K messages a turn to each client: one visit and one system call, or K of them?
import { compareRow, named } from "../row.mjs";
import { peers } from "../servers.mjs";

const budgets = { 4: 1.1, 16: 1.1, 64: 1.2, 256: 1.2 };

export async function run(bench) {
  const options = { floor: "batch floor", peers: named("floor", ...peers) };
  for (const [messages, budget] of Object.entries(budgets)) {
    await compareRow(bench, `K = ${messages}, 1 topic x 1,000`, { messages }, budget, options);
  }
  const shared = { messages: 16, topics: 50, spread: 16 };
  await compareRow(bench, "K = 16 of 50 topics that 1,000 share", shared, 1.2, options);
}
