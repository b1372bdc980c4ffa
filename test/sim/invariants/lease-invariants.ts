/**
 * While a leader's lease is valid nobody else leads (I20): a read that it answers from its own memory could
 * else miss what the other one has acknowledged. Asked after every event of a leader, as a read would be.
 */
import type { Sequencer } from '@kvstore/sequencer';
import type { NodeId } from '@kvstore/std';
import type { Ghost } from './ghost.ts';
import type { Ledger } from './ledger.ts';

export class LeaseInvariants {
  readonly #ghost: Ghost;
  readonly #ledger: Ledger;
  /** A lease allows for clocks that differ by a tenth, and those of a simulation may by two. */
  readonly #clocksAgree: boolean;

  constructor(ghost: Ghost, ledger: Ledger, clocksAgree: boolean) {
    this.#ghost = ghost;
    this.#ledger = ledger;
    this.#clocksAgree = clocksAgree;
  }

  look(node: NodeId, term: number, sequencer: Sequencer): void {
    if (!this.#clocksAgree || sequencer.leaseRead() === undefined) return;
    const later = [...this.#ghost.leaders].find(([led]) => led > term);
    this.#ledger.expect('I20', later === undefined, () => {
      return `${node} has a lease in term ${term}, and ${later?.[1]} leads term ${later?.[0]}`;
    });
  }
}
