/** Injection tokens of the consensus service. */

/** The node's `Consensus`, opened and not yet begun. */
export const CONSENSUS = Symbol('Consensus');
/** Who this process is: its `Self`. */
export const CONSENSUS_SELF = Symbol('ConsensusSelf');
