/**
 * Whether what a store holds can be trusted, and what may be done with it until it can: a state machine
 * without IO. `Recovery` carries out what each state asks for; the replica only asks what it may do.
 *
 *     sound, pulling ── fence ─► found ── attend ─► asking ── a snapshot is installed ─► sound
 *                                  ▲                 │ │
 *                                  └───── fence ─────┘ └─ the log's turn ─► pulling ── caught up ─► sound
 *
 *   state     what goes on                                     takes           pulls  serves
 *   sound     nothing                                          yes             yes    yes
 *   found     damage is known; nobody has attended to it yet   unless `keeps`  no     no
 *   asking    the others are asked for a snapshot              unless `keeps`  no     no
 *   pulling   the store holds a beginning of the log           yes             yes    no
 *   any       while something else takes the store's place     no              no     no
 *
 * takes: the store may be read and written. Live entries are applied, the chain of a mark is compared, the
 * beacon tells what expires next. pulls: entries that are missing are asked for. serves: reads, outcomes and
 * snapshots are answered, and the beacon says healthy.
 *
 * Invariants
 *   1. who serves pulls, who pulls takes; what the store `keeps` is not touched until something has taken its place
 *   2. damage that is found while an earlier one is attended to is attended to as well: only `attend` leaves `found`
 */
import { assert } from '@kvstore/std';

export type FenceState =
  | { readonly kind: 'sound' }
  | {
      readonly kind: 'found' | 'asking';
      readonly why: Error;
      /** The store holds what is damaged or not the leader's; else it is empty, or came after that was found. */
      readonly keeps: boolean;
    }
  | { readonly kind: 'pulling'; readonly why: Error };

const SOUND: FenceState = { kind: 'sound' };

export class Fence {
  #state: FenceState = SOUND;
  /** The store is in nobody's hands but those of what takes its place. */
  #isReplacing = false;

  get state(): FenceState {
    return this.#state;
  }

  /** Why it serves nothing until it is rebuilt. */
  get why(): Error | undefined {
    return this.#state.kind === 'sound' ? undefined : this.#state.why;
  }

  get keeps(): boolean {
    return 'keeps' in this.#state && this.#state.keeps;
  }

  get takes(): boolean {
    return !this.#isReplacing && !this.keeps;
  }

  get pulls(): boolean {
    const { kind } = this.#state;
    return this.takes && (kind === 'sound' || kind === 'pulling');
  }

  get serves(): boolean {
    return this.takes && this.#state.kind === 'sound';
  }

  /** `keeps`: whether the store holds anything. */
  fence(why: Error, keeps: boolean): void {
    this.#state = { kind: 'found', why, keeps };
  }

  attend(): Error {
    assert(this.#state.kind === 'found', 'no damage to attend to');
    this.#state = { ...this.#state, kind: 'asking' };
    return this.#state.why;
  }

  /** Nobody has a snapshot: the log has its turn, unless more was found. */
  letPull(): void {
    if (this.#state.kind !== 'asking') return;
    assert(!this.#state.keeps, 'the log is applied to what is damaged');
    this.#state = { kind: 'pulling', why: this.#state.why };
  }

  /** What is committed has been reached. Returns whether that makes it sound. */
  caughtUp(): boolean {
    if (this.#state.kind !== 'pulling') return false;
    this.#state = SOUND;
    return true;
  }

  beginReplacing(): void {
    this.#isReplacing = true;
  }

  /** Also when nothing has taken its place. */
  endReplacing(): void {
    this.#isReplacing = false;
  }

  /** Returns whether what has taken its place makes it sound. */
  replaced(by: 'snapshot' | 'nothing'): boolean {
    const state = this.#state;
    if (state.kind === 'sound') return false;
    if (by === 'snapshot' && state.kind !== 'found') {
      this.#state = SOUND;
      return true;
    }
    if (state.kind !== 'pulling') this.#state = { ...state, keeps: false };
    return false;
  }
}
