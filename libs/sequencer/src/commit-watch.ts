/**
 * Notices a leader that leads nobody anywhere: heartbeats are answered, and yet the commit index
 * stands still with entries to commit. Votes and entries travel on two connections, and the one for
 * entries can be dead while the other lives (Cloudflare 2020-11-02, hashicorp/raft#612).
 *
 * A leader whose connection for entries is known to be down need not have entries: nobody can even
 * propose to it. It has nothing to reconnect and resigns after the first `patienceTicks`.
 *
 * Policy only: after `patienceTicks` without progress it says 'reconnect', after twice that 'resign'.
 */
import type { LogIndex } from '@kvstore/std';

export class CommitWatch {
  readonly #patienceTicks: number;
  #commitIndex = 0;
  #still = 0;

  constructor(patienceTicks: number) {
    this.#patienceTicks = patienceTicks;
  }

  /** Once per tick of a leader; `lastIndex` above `commitIndex` means that something waits. */
  tick(
    commitIndex: LogIndex,
    lastIndex: LogIndex,
    isCutOff: boolean,
  ): 'wait' | 'reconnect' | 'resign' {
    const stands = commitIndex === this.#commitIndex && lastIndex > commitIndex;
    this.#commitIndex = commitIndex;
    this.#still = stands || isCutOff ? this.#still + 1 : 0;
    const patience = isCutOff ? this.#patienceTicks : 2 * this.#patienceTicks;
    if (this.#still < patience) return this.#still === this.#patienceTicks ? 'reconnect' : 'wait';
    this.#still = 0;
    return 'resign';
  }

  /** Leadership began or ended. */
  reset(): void {
    this.#still = 0;
  }
}
