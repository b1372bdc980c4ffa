/**
 * Configurations as the thesis defines them (4.1, 4.3), written once more and as plainly as can be: what is
 * checked is the core's own code for the same.
 */
import { type Configuration, type Entry, EntryKind } from '@kvstore/raft';
import { assert, type NodeId } from '@kvstore/std';
import { decodeConfigurationEntry } from '../../../libs/sequencer/src/configuration-codec.ts';

/** Undefined for an entry of another kind. */
export function configurationIn({ kind, body }: Entry): Configuration | undefined {
  if (kind !== EntryKind.configuration) return undefined;
  const configuration = decodeConfigurationEntry(body);
  assert(configuration !== undefined, 'a configuration entry that cannot be read');
  return configuration;
}

/** A majority of the voters and, of a joint configuration, of the outgoing ones too. */
export function isQuorum(
  { voters, outgoing }: Configuration,
  holds: (voter: NodeId) => boolean,
): boolean {
  const isMajority = (half: readonly NodeId[]): boolean =>
    half.filter((voter) => holds(voter)).length * 2 > half.length;
  return isMajority(voters) && (outgoing.length === 0 || isMajority(outgoing));
}

export function votesIn({ voters, outgoing }: Configuration, node: NodeId): boolean {
  return voters.includes(node) || outgoing.includes(node);
}

export function replicasOf(configuration: Configuration): readonly NodeId[] {
  const { voters, outgoing, learners, joining } = configuration;
  return [...new Set([...voters, ...outgoing, ...learners, ...joining])];
}

export function isSameSet(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((each) => others.includes(each));
}
