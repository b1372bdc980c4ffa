/** The consensus service, as a composition root imports it. */
export { observeConsensus } from './consensus-metrics.ts';
export { CONSENSUS_SELF, SEQUENCER } from './consensus-tokens.ts';
export { ConsensusModule, sequencerConfig } from './consensus.module.ts';
