/**
 * The invariants of the specification that the simulator checks, and how often each was looked at. An
 * invariant that nothing ever checked protects nothing: a long run in which one has no hits fails.
 */
export const INVARIANTS = {
  I1: 'at most one leader per term, over all incarnations',
  I2: 'one vote per node and term, over all incarnations, and none leaves before it is durable',
  I3: 'term, commit and applied never go down; a restart finds at least what was durable',
  I4: 'a leader only appends to its log',
  I5: 'equal index and term: equal chain, on whatever node',
  I6: 'the log of a new leader begins with everything committed',
  I7: 'one entry per committed index, whoever commits, serves or applies it',
  I8: 'what is committed is durable on a majority',
  I9: 'a vote goes only to a log that is at least as complete',
  I10: 'a leader counts only what is durable, its own disk included',
  I11: 'a leader commits by counting only in its own term',
  I12: 'an acknowledgement names only what is durable and equal; match never goes down',
  I13: 'entries are applied once, in order, without a gap, also after a restart',
  I14: 'equal state at equal index on all storages',
  I15: 'an acknowledged write is there, as it was told',
  I16: 'a write that certainly failed is not there',
  I17: 'a write takes effect once, however often it was sent',
  I18: 'the history of the clients is linearizable',
  I19: 'a granted read index is at or above all that was acknowledged before it was asked for',
  I20: 'while the lease of a leader is valid nobody leads a later term',
  I21: 'one change of members at a time, by steps whose majorities meet; only voters stand and count',
  I22: 'a node acts by the newest configuration of its log, which goes with its entry',
  I23: 'nobody stands for election without a majority of pre-votes, or a leader that asks for it',
  I24: 'a leader without contact to a majority steps down',
  I25: 'unasked, leadership moves to preferred voters only, after a hold time',
  I26: 'no replica replaces a log that holds the base it is sent',
  I27: 'recovery finds what was written, with its truncations',
  I28: 'nothing durable is lost by a crash; damage is refused, never taken for a torn tail',
  I29: 'after a failed fsync the process stops',
  I30: 'a full disk is an answer, never a stop',
  I31: 'a leader whose disk stands still gives its leadership up',
  I32: 'what a leader holds in memory is bounded',
  D1: 'an append that is called durable is on the disk as a whole',
  S1: 'only committed entries are served, and none above the own commit index',
  S2: 'a mark names what is committed',
  S3: 'a weak read shows a state that was committed, at or above the revision it asked for',
  S4: 'what logs may forget, a majority of the storages of voters holds',
  S5: 'who begins to vote has a storage that holds what logs may forget',
  S6: 'a log is cut only where some leader has let it be, and where it is durable',
  L1: 'when all faults are over there is a leader in time, and it stays',
  L2: 'when all faults are over every request is answered in time',
  L3: 'when all faults are over all storages reach the commit index, with equal state',
} as const;
export type InvariantId = keyof typeof INVARIANTS;

/** Of the specification's list, those whose part does not exist yet or is not driven by the simulation. */
export const NOT_APPLICABLE: Readonly<Record<string, string>> = {
  I33: 'watch: not built yet',
  I34: 'backup and point-in-time recovery: not built yet',
};

export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation';
  readonly invariant: string;

  constructor(invariant: string, detail: string) {
    super(`${invariant} (${INVARIANTS[invariant as InvariantId] ?? 'an assertion'}): ${detail}`);
    this.invariant = invariant;
  }
}

export class Ledger {
  readonly #onViolation: (violation: InvariantViolation) => void;
  readonly #counts = new Map<InvariantId, number>(
    (Object.keys(INVARIANTS) as InvariantId[]).map((id) => [id, 0]),
  );

  constructor(onViolation: (violation: InvariantViolation) => void) {
    this.#onViolation = onViolation;
  }

  get counts(): ReadonlyMap<InvariantId, number> {
    return this.#counts;
  }

  /** Counts the check; throws when it does not hold. */
  expect(id: InvariantId, holds: boolean, detail: () => string): void {
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    if (holds) return;
    const violation = new InvariantViolation(id, detail());
    // Why both: the code under simulation may catch what is thrown into it.
    this.#onViolation(violation);
    throw violation;
  }
}
