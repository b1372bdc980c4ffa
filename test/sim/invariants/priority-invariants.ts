/**
 * Priorities move leadership only to a voter that is preferred, and not before who leads has done so for the
 * whole hold time (I25): so it cannot bounce, whatever the preferred one is like.
 */
import { priorityOf } from '@kvstore/raft';
import type { Sequencer } from '@kvstore/sequencer';
import type { NodeId, Term } from '@kvstore/std';
import type { Scheduler } from '../world/scheduler.ts';
import type { SimProcess } from '../world/sim-process.ts';
import type { Ledger } from './ledger.ts';

const TICK_MS = 100;
/** Of the fastest clock. */
const RATE_MAX = 1.1;

/** For so long a request that leadership shall move is carried out, and its process may be paused meanwhile. */
const ASKED_MS = 10_000;

export class PriorityInvariants {
  readonly #ledger: Ledger;
  readonly #scheduler: Scheduler;
  readonly #holdMs: number;
  readonly #led = new Map<Term, { readonly sinceMs: number; readonly resignations: number }>();

  constructor(ledger: Ledger, scheduler: Scheduler, yieldTicks: number) {
    this.#ledger = ledger;
    this.#scheduler = scheduler;
    this.#holdMs = ((yieldTicks - 1) * TICK_MS) / RATE_MAX;
  }

  leads(sequencer: Sequencer, term: Term): void {
    if (this.#led.has(term)) return;
    const { resignations } = sequencer.counters;
    this.#led.set(term, { sinceMs: this.#scheduler.nowMs, resignations });
  }

  /** The leader of a term asks somebody to take over. */
  handsOver(process: SimProcess, sequencer: Sequencer, to: NodeId, term: Term): void {
    const from = process.machine as NodeId;
    const led = this.#led.get(term);
    if (led === undefined) return;
    const { configuration, counters } = sequencer;
    const isAsked = process.clock.monotonicMs() - process.membersAskedMs <= ASKED_MS;
    // Who is dismissed, or resigns because nothing moves, hands over to whoever is best.
    const hasResigned = counters.resignations > led.resignations;
    if (isAsked || hasResigned || !configuration.voters.includes(from)) return;
    const ledMs = this.#scheduler.nowMs - led.sinceMs;
    const isPreferred = priorityOf(configuration, to) > priorityOf(configuration, from);
    this.#ledger.expect('I25', isPreferred && ledMs >= this.#holdMs, () => {
      return `${from} hands term ${term} over to ${to}, ${isPreferred ? 'preferred' : 'not preferred'}, after ${ledMs} ms`;
    });
  }
}
