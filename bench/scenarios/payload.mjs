// SPDX-License-Identifier: Apache-2.0
//
// The size of a payload (128 bytes are in `topics`).
import { compareRow } from "../row.mjs";

export async function run(bench) {
  await compareRow(bench, "1 KB, 1 topic x 1,000", { bytes: 1024 }, 1.05);
  await compareRow(bench, "16 KB, 1 topic x 1,000", { bytes: 16384 }, 1.05);
}
