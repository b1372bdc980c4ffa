/**
 * The configurations of a log, oldest first: the one at its base, then one per configuration entry.
 * A replica acts by the newest one as soon as it is in its log, committed or not (thesis 4.1); when
 * the entry is truncated the one before is in force again.
 *
 * Invariants: there is always one; indexes strictly ascend; the first is at or below the log's base.
 */
import { assert, type LogIndex } from '@kvstore/std';
import type { Configuration, ConfigurationAt } from './configuration.ts';

export class ConfigurationLog {
  #all: ConfigurationAt[];

  constructor(base: ConfigurationAt, rest: readonly ConfigurationAt[]) {
    this.#all = [base];
    for (const { index, configuration } of rest) this.append(index, configuration);
  }

  get latest(): ConfigurationAt {
    return this.#all[this.#all.length - 1] as ConfigurationAt;
  }

  append(index: LogIndex, configuration: Configuration): void {
    assert(index > this.latest.index, 'configurations out of order');
    this.#all.push({ index, configuration });
  }

  /** Entries above `last` are cut off. */
  truncate(last: LogIndex): void {
    while (this.#all.length > 1 && this.latest.index > last) this.#all.pop();
    assert(this.latest.index <= last, 'the configuration at the base is cut off');
  }

  /** In force at `index`, which is not below the log's base. */
  at(index: LogIndex): ConfigurationAt {
    let found = this.#all[0] as ConfigurationAt;
    for (const each of this.#all) if (each.index <= index) found = each;
    return found;
  }

  /** In force at `index` or later. */
  since(index: LogIndex): readonly ConfigurationAt[] {
    return this.#all.slice(this.#all.indexOf(this.at(index)));
  }

  /** The log begins anew above `index`. */
  cut(index: LogIndex): void {
    this.#all = [...this.since(index)];
  }

  /** A whole new log. */
  reset(base: ConfigurationAt): void {
    this.#all = [base];
  }
}
