/**
 * From one configuration to the next (thesis 4.3): pure. Whenever the set of voters changes, even by
 * one, the result is joint and is left as soon as it is committed; nothing else needs two majorities.
 */
import type { NodeId } from '@kvstore/std';
import {
  isJoint,
  isValidConfiguration,
  priorityOf,
  REMOVED_MAX,
  type Configuration,
  type Priority,
} from './configuration.ts';

export type Change =
  /**
   * Joins as a learner, and votes once its log and storage have caught up. `disk` is what the id stands
   * for from now on; one that is known stays.
   */
  | { readonly kind: 'add-voter'; readonly node: NodeId; readonly disk?: string }
  /** A learner, joining or not, votes now; refused while it has not caught up. */
  | { readonly kind: 'promote'; readonly node: NodeId }
  /** A learner that stays one; a voter becomes one; a joining learner joins no more. */
  | { readonly kind: 'add-learner'; readonly node: NodeId }
  | { readonly kind: 'remove'; readonly node: NodeId }
  | { readonly kind: 'set-priority'; readonly node: NodeId; readonly priority: number };

interface Lists {
  readonly voters: Set<NodeId>;
  readonly learners: Set<NodeId>;
  readonly joining: Set<NodeId>;
  readonly priorities: Map<NodeId, number>;
  readonly disks: Map<NodeId, string>;
}

/** Undefined when the changes do not make sense here, or change nothing. */
export function changed(
  configuration: Configuration,
  changes: readonly Change[],
): Configuration | undefined {
  if (isJoint(configuration)) return undefined;
  const lists = listsOf(configuration);
  for (const change of changes)
    if (!carryOut(lists, configuration.removed, change)) return undefined;
  return next(configuration, lists);
}

/** Joining learners become voters. */
export function promoted(
  configuration: Configuration,
  nodes: readonly NodeId[],
): Configuration | undefined {
  if (!nodes.every((node) => configuration.joining.includes(node))) return undefined;
  return changed(
    configuration,
    nodes.map((node) => ({ kind: 'promote', node })),
  );
}

/** The simple configuration that a joint one leads to. Who is in neither half is removed for good. */
export function left(joint: Configuration): Configuration {
  const { voters, learners, joining, outgoing, removed } = joint;
  const stays = new Set([...voters, ...learners, ...joining]);
  const gone = outgoing.filter((node) => !stays.has(node));
  return {
    ...joint,
    outgoing: [],
    removed: [...removed, ...gone].slice(-REMOVED_MAX),
    disks: joint.disks.filter(({ node }) => stays.has(node)),
  };
}

function carryOut(lists: Lists, removed: readonly NodeId[], change: Change): boolean {
  const { voters, learners, joining, priorities, disks } = lists;
  const { node } = change;
  const isKnown = voters.has(node) || learners.has(node) || joining.has(node);
  switch (change.kind) {
    case 'add-voter':
      if (voters.has(node) || joining.has(node) || removed.includes(node)) return false;
      learners.delete(node);
      joining.add(node);
      if (change.disk !== undefined && !isKnown) disks.set(node, change.disk);
      return true;
    case 'promote':
      if (!joining.delete(node) && !learners.delete(node)) return false;
      voters.add(node);
      return true;
    case 'add-learner':
      if (learners.has(node) || removed.includes(node)) return false;
      voters.delete(node);
      joining.delete(node);
      learners.add(node);
      return true;
    case 'remove':
      voters.delete(node);
      learners.delete(node);
      joining.delete(node);
      priorities.delete(node);
      return isKnown;
    case 'set-priority':
      if (!isKnown || (priorities.get(node) ?? 0) === change.priority) return false;
      if (change.priority === 0) priorities.delete(node);
      else priorities.set(node, change.priority);
      return true;
  }
}

function next(before: Configuration, lists: Lists): Configuration | undefined {
  const voters = [...lists.voters];
  const stays = new Set([...voters, ...lists.learners, ...lists.joining]);
  // Why not the outgoing voters: until the joint configuration is left, their votes count.
  const gone = [...before.learners, ...before.joining].filter((node) => !stays.has(node));
  const after: Configuration = {
    voters,
    outgoing: isSame(before.voters, voters) ? [] : before.voters,
    learners: [...lists.learners],
    joining: [...lists.joining],
    removed: [...before.removed, ...gone].slice(-REMOVED_MAX),
    priorities: prioritiesOf(lists),
    disks: [...lists.disks]
      .filter(([node]) => stays.has(node) || before.voters.includes(node))
      .map(([node, disk]) => ({ node, disk })),
  };
  if (voters.length === 0 || isSameAs(before, after)) return undefined;
  return isValidConfiguration(after) ? after : undefined;
}

/** `removed` needs no look: nobody joins it who leaves no other list. */
function isSameAs(before: Configuration, after: Configuration): boolean {
  const { voters, learners, joining, priorities } = after;
  return (
    isSame(voters, before.voters) &&
    isSame(learners, before.learners) &&
    isSame(joining, before.joining) &&
    priorities.length === before.priorities.length &&
    priorities.every(({ node, priority }) => priorityOf(before, node) === priority)
  );
}

function prioritiesOf({ priorities }: Lists): Priority[] {
  return [...priorities].map(([node, priority]) => ({ node, priority }));
}

function listsOf({ voters, learners, joining, priorities, disks }: Configuration): Lists {
  return {
    voters: new Set(voters),
    learners: new Set(learners),
    joining: new Set(joining),
    priorities: new Map(priorities.map(({ node, priority }) => [node, priority])),
    disks: new Map(disks.map(({ node, disk }) => [node, disk])),
  };
}

function isSame(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every((node) => b.includes(node));
}
