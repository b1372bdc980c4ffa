/** The consensus service, as a composition root imports it. */
export { observeConsensus } from './consensus-metrics.ts';
export { ConsensusModule, SEQUENCER } from './consensus.module.ts';
