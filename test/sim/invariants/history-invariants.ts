/**
 * What clients were told, against each other (I18) and against the entries that were committed, applied
 * once more from the beginning by a store that never crashed (I14 to I17, S3).
 */
import { decodeBatch, decodeEntryBody } from '@kvstore/contract';
import { lsmConfig, LsmEngine } from '@kvstore/lsm';
import { decodeRecord, filterPrefixLength, StateMachine } from '@kvstore/state-machine';
import { decodeUtf8, encodeUtf8, LOG_START, revision } from '@kvstore/std';
import {
  checkLinearizability,
  describeCheck,
  ManualTimers,
  MemoryManifest,
  MemorySegmentStore,
  type Operation,
} from '@kvstore/testing';
import type { Entry } from '@kvstore/raft';
import { NAMESPACE } from '../world/client-requests.ts';
import type { WeakRead } from '../world/workload.ts';
import type { Ledger } from './ledger.ts';
import { hashOf } from './state-hash.ts';

const CONFIGURATIONS_MAX = 200_000;

export class HistoryInvariants {
  readonly #ledger: Ledger;
  readonly #machine: StateMachine;
  readonly #store: LsmEngine;
  /** Revisions at which a value was put. */
  readonly #effects = new Map<string, Set<number>>();
  #gaveUp = false;

  static async replay(ledger: Ledger, committed: readonly Entry[]): Promise<HistoryInvariants> {
    const store = await LsmEngine.open({
      filterPrefixLength,
      segments: new MemorySegmentStore(),
      manifest: new MemoryManifest(),
      recovered: { segments: [], position: LOG_START },
      timers: new ManualTimers(),
      label: 'ghost',
      config: lsmConfig({ memtableAgeMs: 1_000_000 }),
      onFatal: (error) => {
        throw error;
      },
    });
    const replayed = new HistoryInvariants(ledger, store);
    for (const entry of committed) replayed.#apply(entry);
    return replayed;
  }

  private constructor(ledger: Ledger, store: LsmEngine) {
    this.#ledger = ledger;
    this.#store = store;
    this.#machine = new StateMachine(store);
  }

  get hash(): string {
    return hashOf(this.#store);
  }

  /** The search for an order was too long: I18 was not checked. */
  get gaveUp(): boolean {
    return this.#gaveUp;
  }

  #apply({ index, term, chain, kind, body }: Entry): void {
    const { stamp, batches: encoded } = decodeEntryBody(body);
    const batches = encoded.map(decodeBatch);
    const before = this.#machine.revision;
    const result = this.#machine.apply({ index, term, stamp, batches, opening: kind === 0 });
    this.#store.endEntry({ index, term, chain }, body.length);
    for (const [place, outcome] of result.outcomes.entries()) {
      if (outcome.kind !== 'applied') continue;
      for (const [at, each] of outcome.outcomes.entries()) {
        const command = batches[place]?.commands[at];
        if (command?.kind !== 'put' || each.kind !== 'put' || each.revision <= before) continue;
        const value = decodeUtf8(command.value);
        this.#effects.set(value, (this.#effects.get(value) ?? new Set()).add(each.revision));
      }
    }
  }

  check(history: readonly Operation[], weakReads: readonly WeakRead[]): void {
    for (const [value, revisions] of this.#effects) {
      this.#ledger.expect('I17', revisions.size === 1, () => {
        return `"${value.slice(0, 20)}" was put at the revisions ${[...revisions].join(', ')}`;
      });
    }
    for (const operation of history) this.#checkAnswer(operation);
    for (const read of weakReads) this.#checkWeakRead(read);
    this.#checkOrder(history);
  }

  #checkAnswer(operation: Operation): void {
    const { kind, key, result } = operation;
    if (kind === 'put' && result.kind === 'not-applied') {
      this.#ledger.expect('I16', !this.#effects.has(operation.value), () => {
        return `"${operation.value.slice(0, 20)}" was called ${result.code} and was put`;
      });
    } else if (kind === 'put' && result.kind === 'written') {
      const found = this.#valueAt(key, result.revision);
      const isThere = found?.value === operation.value && found.version === result.version;
      this.#ledger.expect('I15', isThere, () => {
        return `"${operation.value.slice(0, 20)}" was acknowledged at ${result.revision}, there is "${found?.value.slice(0, 20)}"`;
      });
    } else if (kind === 'delete' && result.kind === 'deleted') {
      this.#ledger.expect('I15', this.#valueAt(key, result.revision) === undefined, () => {
        return `the delete of ${key} was acknowledged at ${result.revision}, and the key is there`;
      });
    }
  }

  #checkWeakRead({ key, minRevision, result }: WeakRead): void {
    if (result.kind === 'not-applied') return;
    const at = result.kind === 'found' || result.kind === 'not-found' ? result.revision : 0;
    const found = this.#valueAt(key, at);
    const expected = result.kind === 'found' ? result.value : undefined;
    this.#ledger.expect('S3', at >= minRevision && found?.value === expected, () => {
      return `a weak read of ${key} at ${at} gave "${expected}", committed is "${found?.value}"`;
    });
  }

  #valueAt(
    key: string,
    at: number,
  ): { readonly value: string; readonly version: number } | undefined {
    const read = this.#machine.get(NAMESPACE, encodeUtf8(key), revision(at));
    if (read.kind !== 'found') return undefined;
    const record = decodeRecord(read.record);
    if (record.kind !== 'value') return undefined;
    return { value: decodeUtf8(record.value), version: record.version };
  }

  #checkOrder(history: readonly Operation[]): void {
    const check = checkLinearizability(history, { configurationsMax: CONFIGURATIONS_MAX });
    this.#gaveUp = check.kind === 'gave-up';
    if (this.#gaveUp) return;
    this.#ledger.expect('I18', check.kind === 'ok', () => describeCheck(check));
  }
}
