/**
 * std: what every layer stands on. Assertions, names and positions, bytes, checksums, seeded
 * randomness, and the ports for time and files. Pure: no `node:*`, no dependency, no global state.
 */
export { assert, assertNever, InvariantError } from './assert.ts';
export { ByteReader, ByteWriter, compareBytes, DecodeError, equalBytes } from './bytes.ts';
export { nextChain } from './chain.ts';
export type { Clock, Timer, Timers } from './clock.ts';
export { crc32c } from './crc32c.ts';
export { DiskError } from './disk.ts';
export type { Disk, DiskErrorCode, DiskFile } from './disk.ts';
export {
  chain,
  isCount,
  isNodeId,
  LOG_START,
  logIndex,
  logTimeMs,
  nodeId,
  revision,
  term,
} from './identity.ts';
export type {
  Chain,
  LogIndex,
  LogPosition,
  LogTimeMs,
  NodeId,
  Revision,
  Term,
} from './identity.ts';
export { SeededRandom } from './random.ts';
export type { Random } from './random.ts';
export { decodeUtf8, encodeUtf8 } from './utf8.ts';
export { xxh32 } from './xxh32.ts';
