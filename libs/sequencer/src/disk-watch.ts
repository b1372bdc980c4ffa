/**
 * Notices a leader whose own disk stands still. The others can form a majority without it, so commits
 * go on and nobody misses anything, until what is not durable here fills its memory and every proposal
 * is refused; and should a second disk fail, nothing commits (hashicorp/raft#503, tarantool#9606).
 *
 * Policy only: after `patienceTicks` without progress the leadership is to be given up.
 */
import type { LogIndex } from '@kvstore/std';

export class DiskWatch {
  readonly #patienceTicks: number;
  #durableIndex = 0;
  #still = 0;

  constructor(patienceTicks: number) {
    this.#patienceTicks = patienceTicks;
  }

  /** Once per tick of a leader; whether its disk has stood still for too long with work to do. */
  tick(durableIndex: LogIndex, lastIndex: LogIndex): 'wait' | 'resign' {
    const stands = durableIndex === this.#durableIndex && lastIndex > durableIndex;
    this.#durableIndex = durableIndex;
    this.#still = stands ? this.#still + 1 : 0;
    if (this.#still < this.#patienceTicks) return 'wait';
    this.#still = 0;
    return 'resign';
  }

  /** Leadership began or ended. */
  reset(): void {
    this.#still = 0;
  }
}
