/**
 * The hash chain over the log: `chain(i) = H(chain(i-1), term, index, kind, body)`.
 *
 * Two logs with the same chain at an index agree on everything up to it (up to the strength of the
 * hash), so one number compared at one index stands for comparing the logs. It detects divergence
 * and corruption, not forgery: frames are authenticated by their MAC. 53 bits, from two XXH32 under
 * different seeds, so that it is one exact JavaScript number.
 */
import { chain, type Chain, type LogIndex, type Term } from './identity.ts';
import { xxh32 } from './xxh32.ts';

const SEED_LOW = 0x6b76_7331;
const SEED_HIGH = 0x6c6f_6731;
const header = new Uint8Array(37);
const view = new DataView(header.buffer);

function putU64(at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 0x1_0000_0000));
  view.setUint32(at + 4, value >>> 0);
}

/** The chain after an entry that follows an entry whose chain is `previous`. */
export function nextChain(
  previous: Chain,
  index: LogIndex,
  term: Term,
  kind: number,
  body: Uint8Array,
): Chain {
  putU64(0, previous);
  putU64(8, index);
  putU64(16, term);
  view.setUint8(24, kind);
  view.setUint32(25, body.length);
  view.setUint32(29, xxh32(body, SEED_LOW));
  view.setUint32(33, xxh32(body, SEED_HIGH));
  const low = xxh32(header, SEED_LOW);
  const high = xxh32(header, SEED_HIGH) & 0x1f_ffff;
  return chain(high * 0x1_0000_0000 + low);
}
