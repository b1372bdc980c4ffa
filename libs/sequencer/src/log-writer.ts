/**
 * Carries out the durable part of a `Ready` in the order that the core asks for: term and vote
 * before the entries of the same `Ready`, entries in order, the core told of each when it is done.
 * An error of the disk that cannot be waited out is fatal: the process must stop.
 */
import type { Entry, HardState, RaftNode } from '@kvstore/raft';
import { assert } from '@kvstore/std';
import type { HardStateStore, LogStore } from './log-store.ts';

export class LogWriter {
  readonly #raft: RaftNode;
  readonly #log: LogStore;
  readonly #hardStates: HardStateStore;
  readonly #onDurable: () => void;
  readonly #onFatal: (error: unknown) => void;
  /** Set while a hard state is being saved; whatever is handed out meanwhile comes after it. */
  #chain: Promise<void> | undefined;
  #unfinished = 0;
  #idle: (() => void) | undefined;

  constructor(
    raft: RaftNode,
    stores: { readonly log: LogStore; readonly hardStates: HardStateStore },
    callbacks: { readonly onDurable: () => void; readonly onFatal: (error: unknown) => void },
  ) {
    this.#raft = raft;
    this.#log = stores.log;
    this.#hardStates = stores.hardStates;
    this.#onDurable = callbacks.onDurable;
    this.#onFatal = callbacks.onFatal;
  }

  write(hardState: HardState | undefined, entries: readonly Entry[]): void {
    if (hardState === undefined && this.#chain === undefined) {
      if (entries.length > 0) this.#append(entries);
      return;
    }
    const step = (this.#chain ?? Promise.resolve()).then(() =>
      this.#writeInTurn(hardState, entries),
    );
    this.#chain = step;
    this.#track(
      step.then(() => {
        if (this.#chain === step) this.#chain = undefined;
      }),
    );
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    if (this.#unfinished === 0) return;
    assert(this.#idle === undefined, 'one waiter for idle');
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }

  async #writeInTurn(hardState: HardState | undefined, entries: readonly Entry[]): Promise<void> {
    if (hardState !== undefined) {
      await this.#hardStates.save(hardState);
      this.#raft.hardStatePersisted(hardState);
    }
    if (entries.length > 0) this.#append(entries);
    this.#onDurable();
  }

  #append(entries: readonly Entry[]): void {
    const last = entries[entries.length - 1];
    assert(last !== undefined, 'nothing to append');
    const acknowledged = this.#raft.durableIndex;
    const appended = this.#log.append(entries, acknowledged).then(() => {
      this.#raft.persisted(last.index, last.term);
      this.#onDurable();
    });
    this.#track(appended);
  }

  #track(work: Promise<void>): void {
    this.#unfinished += 1;
    work
      .catch((error: unknown) => this.#onFatal(error))
      .finally(() => {
        this.#unfinished -= 1;
        if (this.#unfinished === 0) this.#idle?.();
      });
  }
}
