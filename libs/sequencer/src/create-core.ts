/** The Raft core of a sequencer, as its stores have recovered it. */
import { encodeEntryBody } from '@kvstore/contract';
import { configurationOf, RaftNode } from '@kvstore/raft';
import { LOG_START } from '@kvstore/std';
import type { ClusterClock } from './cluster-clock.ts';
import {
  configurationsOf,
  decodeConfigurationEntry,
  encodeConfigurationEntry,
} from './configuration-codec.ts';
import type { EntryHeaders } from './entry-headers.ts';
import type { SequencerConfig, SequencerOptions } from './sequencer-options.ts';

export function createCore(
  { node, voters, random, log, hardStates }: SequencerOptions,
  config: SequencerConfig,
  headers: EntryHeaders,
  clusterClock: ClusterClock,
): RaftNode {
  return new RaftNode(
    {
      id: node,
      electionTicks: config.electionTicks,
      heartbeatTicks: config.heartbeatTicks,
      tickMs: config.tickMs,
      yieldTicks: config.yieldTicks,
      random,
      openingBody: () => {
        clusterClock.lead();
        return encodeEntryBody(headers.next(), []);
      },
      configurations: {
        encode: (configuration) => encodeConfigurationEntry(headers.next(), configuration),
        decode: decodeConfigurationEntry,
      },
      appendBytesMax: config.appendBytesMax,
      inflightAppendsMax: config.inflightAppendsMax,
      inflightBytesMax: config.inflightBytesMax,
      uncommittedBytesMax: config.uncommittedBytesMax,
      tailBytesMax: config.tailBytesMax,
    },
    {
      hardState: hardStates.recovered,
      repairTerm: hardStates.repairTerm,
      base: log.recovered.base ?? {
        position: LOG_START,
        configuration: configurationOf(voters),
        note: new Uint8Array(0),
      },
      last: log.recovered.last,
      spans: log.recovered.spans,
      configurations: configurationsOf(log.recovered.configurations),
    },
  );
}
