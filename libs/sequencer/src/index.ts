/**
 * sequencer: one node's part in the ordering of one group's log. `Sequencer` drives the Raft core
 * over the `Bus`, the `LogStore` and the `HardStateStore`; it owns those two ports.
 */
export type { ArchiveSource, ArchiveState } from './archive-source.ts';
export { ClusterClock } from './cluster-clock.ts';
export { decideFounding } from './founding.ts';
export type { Founding } from './founding.ts';
export { decodeLogBase, encodeLogBase } from './log-base-codec.ts';
export { LogError } from './log-store.ts';
export type { HardStateStore, LogErrorCode, LogStore, RecoveredLog } from './log-store.ts';
export { Sequencer } from './sequencer.ts';
export { defaultSequencerConfig } from './sequencer-options.ts';
export type { SequencerConfig, SequencerOptions } from './sequencer-options.ts';
export type { SequencerCounters, SequencerNotice } from './sequencer-report.ts';
