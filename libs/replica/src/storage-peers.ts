/** The other storages of the group, as their beacons tell: whose snapshot is worth asking for. */
import type { Beacon } from '@kvstore/contract';
import { type LogIndex, type NodeId } from '@kvstore/std';

interface Heard {
  readonly beacon: Beacon;
  readonly atMs: number;
}

/** Above two beacons of an idle storage. */
const FRESH_MS = 2_000;

export class StoragePeers {
  readonly #own: NodeId;
  readonly #heard = new Map<NodeId, Heard>();

  constructor(own: NodeId) {
    this.#own = own;
  }

  hear(node: NodeId, beacon: Beacon, nowMs: number): void {
    if (node !== this.#own) this.#heard.set(node, { beacon, atMs: nowMs });
  }

  /**
   * Who serves and has applied `minIndex`; the one with the highest durable index first.
   */
  sources(minIndex: LogIndex, nowMs: number): readonly NodeId[] {
    for (const [node, { atMs }] of this.#heard) {
      if (nowMs - atMs > FRESH_MS) this.#heard.delete(node);
    }
    return [...this.#heard]
      .filter(([, { beacon }]) => beacon.healthy)
      .filter(([, { beacon }]) => beacon.applied >= minIndex)
      .toSorted(([a, one], [b, two]) => two.beacon.durable - one.beacon.durable || (a < b ? -1 : 1))
      .map(([node]) => node);
  }
}
