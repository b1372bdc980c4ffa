/** A sequencer over the memory bus, on memory stores and the real clock. */
import type { MemoryBus } from '@kvstore/bus';
import { clusterTagOf, Subjects } from '@kvstore/contract';
import { SeededRandom } from '@kvstore/std';
import { MemoryHardState, MemoryLogStore, realClock, realTimers } from '@kvstore/testing';
import { Sequencer } from './sequencer.ts';
import type { SequencerOptions } from './sequencer-options.ts';

export const CLUSTER = '7e57c1a5-0000-4000-8000-000000000000';
export const CLUSTER_TAG = clusterTagOf(CLUSTER);
export const identity = { cluster: 'test', group: 'g0', secret: new Uint8Array(32).fill(7) };
export const subjects = new Subjects(identity.cluster, identity.group);

type Chosen = Pick<SequencerOptions, 'node' | 'voters' | 'onFatal'>;

export function makeSequencer(
  bus: MemoryBus,
  options: Chosen & Partial<SequencerOptions>,
): Sequencer {
  const { incarnation = 1 } = options;
  return new Sequencer({
    ...identity,
    incarnation,
    lanes: { data: bus, control: bus },
    log: new MemoryLogStore(),
    hardStates: new MemoryHardState(),
    clock: realClock,
    timers: realTimers,
    random: new SeededRandom(incarnation),
    config: { tickMs: 5 },
    ...options,
  });
}
