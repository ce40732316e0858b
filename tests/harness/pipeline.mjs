// SPDX-License-Identifier: Apache-2.0
//
// All that a server says to a stream of bytes: what comes back is cut into responses until the connection ends, so that an answer to
// a request that nobody meant to send is seen.

import { cut } from './conversation.mjs';
import { RawSocket } from './raw.mjs';
import { within } from './until.mjs';

// Takes responses until the server ends the stream. A 100 counts as one.
async function untilEnd(raw, methods) {
  const responses = [];
  for (;;) {
    try {
      responses.push(await raw.response({ bodyless: methods[responses.length] === 'HEAD' }));
    } catch (error) {
      if (!/^ended \(end\) before an HTTP response; unread: $/.test(error.message)) throw error;
      return responses;
    }
  }
}

// `bytes`: a string of bytes, in writes of `chop`. The peer's side ends behind them, where `fin` says so.
export async function answersTo(t, port, bytes, { chop = 0, fin = true, methods = [] } = {}) {
  const raw = await RawSocket.connect(t, port);
  raw.socket.on('error', () => {}); // the server may have ended before the last byte
  for (const piece of chop ? cut(Buffer.from(bytes, 'latin1'), chop) : [Buffer.from(bytes, 'latin1')]) {
    raw.write(piece);
    if (chop) await new Promise(setImmediate);
  }
  if (fin) raw.socket.end();
  const responses = await untilEnd(raw, methods);
  await within(raw.ended, 5000, 'the end of the connection');
  raw.destroy();
  return responses;
}
