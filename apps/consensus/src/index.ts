/** The consensus service, as a composition root imports it. */
export { observeConsensus } from './consensus-metrics.ts';
export type { Consensus } from './consensus.ts';
export { CONSENSUS, CONSENSUS_SELF } from './consensus-tokens.ts';
export { ConsensusModule, sequencerConfig } from './consensus.module.ts';
