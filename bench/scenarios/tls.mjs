// SPDX-License-Identifier: Apache-2.0
//
// Over TLS what a turn brings is sealed for each client: one record and one system call, as a bare
// OpenSSL loop does it for the same bytes.
import { compareRow, named } from "../row.mjs";

const options = { floor: "tls floor", own: named("spillway over tls"), peers: [] };

export async function run(bench) {
  for (const messages of [1, 10, 64]) {
    await compareRow(bench, `TLS 1.3, K = ${messages}, 1 topic x 1,000`, { messages, tls: 1 }, 1.15, options);
  }
}
