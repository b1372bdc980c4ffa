/**
 * Carries out the durable part of a `Ready` in the order that the core asks for: term and vote
 * before the base and the entries of the same `Ready`, these in order, the core told of each when it
 * is done.
 * An error of the disk that cannot be waited out is fatal: the process must stop.
 */
import type { Entry, LogBase, RaftNode, Ready } from '@kvstore/raft';
import { assert } from '@kvstore/std';
import type { HardStateStore, LogStore } from './log-store.ts';

type Effects = Pick<Ready, 'hardState' | 'install' | 'append'>;

export class LogWriter {
  readonly #raft: RaftNode;
  readonly #log: LogStore;
  readonly #hardStates: HardStateStore;
  readonly #onDurable: () => void;
  readonly #onFatal: (error: unknown) => void;
  /**
   * Set while a hard state is being saved or a base put in place; whatever is handed out meanwhile
   * comes after it.
   */
  #chain: Promise<void> | undefined;
  /** The newest append; the store carries them out in order. */
  #appended: Promise<void> = Promise.resolve();
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

  write(effects: Effects): void {
    const { hardState, install, append } = effects;
    if (hardState === undefined && install === undefined && this.#chain === undefined) {
      if (append.length > 0) this.#append(append);
      return;
    }
    const step = (this.#chain ?? Promise.resolve()).then(() => this.#writeInTurn(effects));
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

  async #writeInTurn({ hardState, install, append }: Effects): Promise<void> {
    if (hardState !== undefined) {
      await this.#hardStates.save(hardState);
      this.#raft.hardStatePersisted(hardState);
    }
    if (install !== undefined) await this.#install(install);
    if (append.length > 0) this.#append(append);
    this.#onDurable();
  }

  async #install(base: LogBase): Promise<void> {
    // What is still being written is void for the core, but not for the store.
    await this.#appended;
    await this.#log.install(base);
    const { index, term } = base.position;
    this.#raft.persisted(index, term);
  }

  #append(entries: readonly Entry[]): void {
    const last = entries[entries.length - 1];
    assert(last !== undefined, 'nothing to append');
    const acknowledged = this.#raft.durableIndex;
    this.#appended = this.#log.append(entries, acknowledged).then(() => {
      this.#raft.persisted(last.index, last.term);
      this.#onDurable();
    });
    this.#track(this.#appended);
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
