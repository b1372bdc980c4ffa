/**
 * The beacon, published by every storage: how far it is. Gateways choose their home by it, the
 * leader its back-pressure and its clock entries.
 *
 *   u64 cluster tag · u64 applied · u64 durable · u64 chain at applied · u64 next due ms (0: nothing expires) · u8 healthy
 *   · u64 wall clock ms · u64 needs (0: nothing)
 */
import {
  ByteReader,
  ByteWriter,
  chain,
  type Chain,
  logIndex,
  type LogIndex,
  logTimeMs,
  type LogTimeMs,
} from '@kvstore/std';

export interface Beacon {
  /** Of the cluster whose data it holds: a storage that does not know yet sends no beacon. */
  readonly clusterTag: number;
  readonly applied: LogIndex;
  readonly durable: LogIndex;
  readonly chain: Chain;
  /** When the earliest key, session or idempotency key expires. */
  readonly nextDue: LogTimeMs | undefined;
  readonly healthy: boolean;
  /** The node's wall clock: log time follows what a majority of them has reached. */
  readonly wallMs: number;
  /**
   * The first entry that this storage will pull once the snapshot that it is receiving is installed:
   * the log should not be cut above it for a while. Absent: it receives none.
   */
  readonly needs?: LogIndex | undefined;
}

export function encodeBeacon(beacon: Beacon): Uint8Array {
  return new ByteWriter(57)
    .u64(beacon.clusterTag)
    .u64(beacon.applied)
    .u64(beacon.durable)
    .u64(beacon.chain)
    .u64(beacon.nextDue ?? 0)
    .u8(beacon.healthy ? 1 : 0)
    .u64(beacon.wallMs)
    .u64(beacon.needs ?? 0)
    .finish();
}

export function decodeBeacon(body: Uint8Array): Beacon {
  const reader = new ByteReader(body);
  const clusterTag = reader.u64();
  const applied = logIndex(reader.u64());
  const durable = logIndex(reader.u64());
  const at = chain(reader.u64());
  const due = reader.u64();
  const healthy = reader.flag();
  const wallMs = reader.u64();
  const needed = reader.u64();
  reader.end();
  const nextDue = due === 0 ? undefined : logTimeMs(due);
  const needs = needed === 0 ? undefined : logIndex(needed);
  return { clusterTag, applied, durable, chain: at, nextDue, healthy, wallMs, needs };
}
