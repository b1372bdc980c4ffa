/** What a simulation draws from its seed. One stream per part, so that a change in one part does not shift all others. */
import { SeededRandom } from '@kvstore/std';

const FRACTION_STEPS = 0x1_0000_0000;

export class Dice {
  readonly random: SeededRandom;

  constructor(seed: number, part: string) {
    let salt = 0;
    for (const character of part)
      salt = (salt * 31 + (character.codePointAt(0) as number)) % 65_521;
    this.random = new SeededRandom(seed * 65_536 + salt);
  }

  below(bound: number): number {
    return this.random.below(bound);
  }

  /** A whole number in [low, high]. */
  between(low: number, high: number): number {
    return low + this.random.below(high - low + 1);
  }

  /** In [0, 1). */
  fraction(): number {
    return this.random.below(FRACTION_STEPS) / FRACTION_STEPS;
  }

  chance(probability: number): boolean {
    return probability > 0 && this.fraction() < probability;
  }

  /** Exponentially distributed. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.fraction());
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.random.below(items.length)] as Item;
  }
}
