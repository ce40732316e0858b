// SPDX-License-Identifier: Apache-2.0
//
// One message a turn: what a delivery costs when nothing can be put together.
import { compareRow } from "../row.mjs";

export async function run(bench) {
  await compareRow(bench, "1 topic x 1,000", { clients: 1000 }, 1.05);
  await compareRow(bench, "1 topic x 10,000", { clients: 10000 }, 1.05);
  await compareRow(bench, "1,000 topics x 10", { clients: 10000, topics: 1000, each: 1 }, 1.07);
}
