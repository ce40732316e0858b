// SPDX-License-Identifier: Apache-2.0
//
// From connect to `subscribed`: the server's CPU for each.
import { compareRow } from "../row.mjs";
import { shakeHandsFor } from "../rounds.mjs";

export async function run(bench) {
  const load = { clients: 1, room: 1000 };
  await compareRow(bench, "handshake and first subscription", load, 1.3, { compare: { measure: shakeHandsFor } });
}
