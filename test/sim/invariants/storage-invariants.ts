/** What storages apply (I7, I13, I14): looked at after every entry. */
import type { LsmStore } from '@kvstore/lsm';
import type { LogPosition, NodeId } from '@kvstore/std';
import type { Ghost } from './ghost.ts';
import type { Ledger } from './ledger.ts';
import { hashOf } from './state-hash.ts';

const HASHED_EVERY = 64;

export class StorageInvariants {
  readonly #ghost: Ghost;
  readonly #ledger: Ledger;
  readonly #applied = new Map<NodeId, number>();
  readonly #hashes = new Map<number, { readonly hash: string; readonly node: NodeId }>();

  constructor(ghost: Ghost, ledger: Ledger) {
    this.#ghost = ghost;
    this.#ledger = ledger;
  }

  starting(node: NodeId, durable: LogPosition): void {
    const committed = this.#ghost.committed[durable.index - 1];
    this.#ledger.expect('I13', durable.index === 0 || committed?.chain === durable.chain, () => {
      return `the storage of ${node} starts at ${durable.index}, which is not committed`;
    });
    this.#applied.set(node, durable.index);
  }

  applied(node: NodeId, store: LsmStore): void {
    const { index, chain } = store.applied;
    const before = this.#applied.get(node) ?? 0;
    this.#ledger.expect('I13', index === before + 1, () => {
      return `the storage of ${node} applies ${index} after ${before}`;
    });
    this.#applied.set(node, index);
    const committed = this.#ghost.committed[index - 1];
    this.#ledger.expect('I7', committed?.chain === chain, () => {
      return `the storage of ${node} applies an entry ${index} that is not committed`;
    });
    if (index % HASHED_EVERY === 0) this.checkState(node, store);
  }

  checkState(node: NodeId, store: LsmStore): void {
    this.#checkHash(node, store.applied.index, hashOf(store));
  }

  /** What a store that applied all that is committed, and never crashed, holds. */
  checkReplayed(index: number, hash: string): void {
    this.#checkHash('replay' as NodeId, index, hash);
  }

  #checkHash(node: NodeId, index: number, hash: string): void {
    const known = this.#hashes.get(index);
    if (known === undefined) this.#hashes.set(index, { hash, node });
    this.#ledger.expect('I14', known === undefined || known.hash === hash, () => {
      return `the states of ${node} and ${known?.node} differ at ${index}`;
    });
  }
}
