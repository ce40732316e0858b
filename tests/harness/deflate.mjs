// SPDX-License-Identifier: Apache-2.0
//
// permessage-deflate (RFC 7692) as a client has it, by Node's zlib.

import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { frame, OPCODE } from './raw.mjs';

export const RSV1 = 4;
export const OFFER = { 'Sec-WebSocket-Extensions': 'permessage-deflate' };
const TAIL = Buffer.from([0, 0, 255, 255]);

export const inflateBytes = (payload, windowBits = 15) =>
  inflateRawSync(Buffer.concat([payload, TAIL]), { windowBits, finishFlush: constants.Z_SYNC_FLUSH });
export const inflate = (...args) => inflateBytes(...args).toString();
export const deflate = (bytes, options) =>
  deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH, ...options }).subarray(0, -4);
export const compressed = (bytes, opcode = OPCODE.text) => frame(opcode, deflate(bytes), { rsv: RSV1 });
