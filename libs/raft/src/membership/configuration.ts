/**
 * Who takes part in the group: the value of one configuration entry (thesis chapter 4). Immutable.
 *
 * Invariants
 *   1. no id is listed twice among voters, learners and joining; the outgoing voters of a joint
 *      configuration may be on those lists too, for they are what it leaves
 *   2. an id that was removed is on none of the other lists but `outgoing`: it never returns. An id
 *      names one disk; a member that lost its disk comes back under another id
 *   3. a configuration has voters, except the one of a replica that was not told of any yet
 *   4. the disk of a member never changes, and goes with it
 */
import { isCount, isNodeId, type LogIndex, type LogPosition, type NodeId } from '@kvstore/std';

export interface Priority {
  readonly node: NodeId;
  /** Leadership moves to the voter with the highest one; 0 for everybody who is not listed. */
  readonly priority: number;
}

/** The disk that an admitted member's id stands for; opaque. Founders know each other's without it. */
export interface MemberDisk {
  readonly node: NodeId;
  readonly disk: string;
}

export interface Configuration {
  readonly voters: readonly NodeId[];
  /** The voters before, while both majorities decide; else empty. */
  readonly outgoing: readonly NodeId[];
  /** Are sent the log, never count, and stay so. */
  readonly learners: readonly NodeId[];
  /** Learners that become voters by themselves, once their log and storage have caught up. */
  readonly joining: readonly NodeId[];
  readonly removed: readonly NodeId[];
  readonly priorities: readonly Priority[];
  readonly disks: readonly MemberDisk[];
}

/** A configuration and the index of the entry that holds it; the base's for the one a log begins with. */
export interface ConfigurationAt {
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

/**
 * What stands before the first entry of a log that was cut: the position of the last entry that is
 * gone, the configuration there, and whatever the driver keeps with it, opaque to the core.
 */
export interface LogBase {
  readonly position: LogPosition;
  readonly configuration: Configuration;
  readonly note: Uint8Array;
}

/** Configuration entries to bytes and back; the core has no codec of its own. */
export interface ConfigurationCodec {
  /** Body of an entry that holds `configuration`; asked for at the moment it is appended. */
  encode(configuration: Configuration): Uint8Array;
  /** Undefined when the body is not one of a configuration. */
  decode(body: Uint8Array): Configuration | undefined;
}

/** Members at a time, learners included. */
export const MEMBERS_MAX = 64;
/** Ids of removed members that are remembered, newest last. */
export const REMOVED_MAX = 256;
/** Codecs have 32 bits for a priority. */
const PRIORITY_MAX = 0xffff_ffff;
const DISK_LENGTH_MAX = 64;

/** Of a replica that waits to be admitted. */
export const NO_CONFIGURATION: Configuration = configurationOf([]);

/** The simple configuration of these voters, with which a group is founded. */
export function configurationOf(
  voters: readonly NodeId[],
  priorities: readonly Priority[] = [],
): Configuration {
  return { voters, outgoing: [], learners: [], joining: [], removed: [], priorities, disks: [] };
}

export function isJoint(configuration: Configuration): boolean {
  return configuration.outgoing.length > 0;
}

/** Everybody who is sent the log, once. */
export function replicasOf(configuration: Configuration): readonly NodeId[] {
  const { voters, outgoing, learners, joining } = configuration;
  return [...new Set([...voters, ...outgoing, ...learners, ...joining])];
}

export function votesIn({ voters, outgoing }: Configuration, node: NodeId): boolean {
  return voters.includes(node) || outgoing.includes(node);
}

export function priorityOf({ priorities }: Configuration, node: NodeId): number {
  return priorities.find((each) => each.node === node)?.priority ?? 0;
}

/** Invariants 1 and 2, bounds and ranges; whoever has it from a message or a disk asks this first. */
export function isValidConfiguration(configuration: Configuration): boolean {
  const { voters, outgoing, learners, joining, removed, priorities, disks } = configuration;
  const current = [...voters, ...learners, ...joining];
  if (current.length > MEMBERS_MAX || outgoing.length > MEMBERS_MAX) return false;
  if (removed.length > REMOVED_MAX || priorities.length > MEMBERS_MAX) return false;
  if (voters.length === 0 && current.length + outgoing.length > 0) return false;
  const [prioritised, admitted] = [priorities, disks].map((list) => list.map(({ node }) => node));
  for (const list of [current, outgoing, removed, prioritised, admitted]) {
    if (!list?.every(isNodeId) || new Set(list).size !== list.length) return false;
  }
  if (disks.length > 2 * MEMBERS_MAX || !disks.every(({ disk }) => isDiskName(disk))) return false;
  if (current.some((node) => removed.includes(node))) return false;
  return priorities.every(({ priority }) => isCount(priority) && priority <= PRIORITY_MAX);
}

function isDiskName(disk: string): boolean {
  return disk.length > 0 && disk.length <= DISK_LENGTH_MAX;
}
