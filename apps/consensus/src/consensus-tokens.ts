/** Injection tokens of the consensus service. */

/** The node's `Sequencer`, created and not yet started. */
export const SEQUENCER = Symbol('Sequencer');
/** Who this process is: its `Self`. */
export const CONSENSUS_SELF = Symbol('ConsensusSelf');
