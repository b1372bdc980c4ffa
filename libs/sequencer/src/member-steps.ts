/**
 * What comes next for a request about members, and how it is refused. Policy only: what the leader knows in, a
 * step or a failure out.
 *
 * Invariant: no step leaves a majority of the voters to those that do not answer.
 */
import {
  type Failure,
  failure,
  type MemberList,
  type MemberRequest,
  STORAGES_BEHIND,
} from '@kvstore/contract';
import {
  type Change,
  type ChangeRefusal,
  type Configuration,
  priorityOf,
  type RaftStatus,
  replicasOf,
} from '@kvstore/raft';
import { assertNever, type NodeId } from '@kvstore/std';

export type ChangeRequest = Exclude<MemberRequest, { kind: 'list' | 'transfer' }>;

export type Step =
  | { readonly kind: 'wait' }
  /** What was asked for is so. */
  | { readonly kind: 'so' }
  | { readonly kind: 'change'; readonly change: Change }
  /** The node must first tell its disk. */
  | { readonly kind: 'greet' }
  | Failure;

const SO: Step = { kind: 'so' };
const RETRY_AFTER_MS = 1_000;

/** `disk`: of the node to be added, once it has told it. */
export function stepTo(
  request: ChangeRequest,
  configuration: Configuration,
  status: RaftStatus,
  disk: string | undefined,
): Step {
  const { node } = request;
  if (request.kind === 'add') return stepToAdd(configuration, node, disk);
  if (request.kind === 'remove' && configuration.removed.includes(node)) return SO;
  if (!replicasOf(configuration).includes(node)) return unknownMember(node);
  switch (request.kind) {
    case 'remove':
      return stepToRemove(configuration, node, status);
    case 'promote':
      return stepToPromote(configuration, node, status);
    case 'priority': {
      const { priority } = request;
      if (priorityOf(configuration, node) === priority) return SO;
      return { kind: 'change', change: { kind: 'set-priority', node, priority } };
    }
    default:
      return assertNever(request);
  }
}

function stepToAdd(configuration: Configuration, node: NodeId, disk: string | undefined): Step {
  if (replicasOf(configuration).includes(node)) return SO;
  if (configuration.removed.includes(node)) {
    return failure(
      'INVALID_ARGUMENT',
      `${node} was removed, and an id never returns: add the node under another name.`,
    );
  }
  if (disk === undefined) return { kind: 'greet' };
  return { kind: 'change', change: { kind: 'add-voter', node, disk } };
}

function stepToRemove({ voters }: Configuration, node: NodeId, status: RaftStatus): Step {
  const remove: Step = { kind: 'change', change: { kind: 'remove', node } };
  if (!voters.includes(node)) return remove;
  const stay = voters.filter((voter) => voter !== node);
  if (stay.length === 0) {
    return failure('INVALID_ARGUMENT', `${node} is the only voter: a cluster has at least one.`);
  }
  return lackOfMajority(stay, `Without ${node}`, status) ?? remove;
}

function stepToPromote({ voters }: Configuration, node: NodeId, status: RaftStatus): Step {
  if (voters.includes(node)) return SO;
  const promote: Step = { kind: 'change', change: { kind: 'promote', node } };
  return lackOfMajority([...voters, node], `With ${node}`, status) ?? promote;
}

/** A configuration whose majority does not answer could never be left again. */
function lackOfMajority(
  voters: readonly NodeId[],
  what: string,
  { progress }: RaftStatus,
): Failure | undefined {
  const answering = progress.filter((each) => each.recentlyActive).map(({ node }) => node);
  const answer = voters.filter((voter) => answering.includes(voter)).length;
  if (answer > Math.floor(voters.length / 2)) return undefined;
  return failure(
    'CONDITION_FAILED',
    `${what} only ${answer} of ${voters.length} voters would answer, which is no majority.`,
  );
}

/** Undefined when it may take over. */
export function refusalToTransfer(
  to: NodeId,
  { progress, configuration }: RaftStatus,
): Failure | undefined {
  const { voters } = configuration.configuration;
  if (!replicasOf(configuration.configuration).includes(to)) return unknownMember(to);
  if (!voters.includes(to)) {
    return failure('CONDITION_FAILED', `${to} is no voter: only a voter can lead.`);
  }
  if (progress.find(({ node }) => node === to)?.recentlyActive === true) return undefined;
  return failure('CONDITION_FAILED', `${to} does not answer: it cannot take over.`);
}

function unknownMember(node: NodeId): Failure {
  return failure('INVALID_ARGUMENT', `${node} is no member of this cluster.`);
}

export function busy(detail: string): Failure {
  return failure('OVERLOADED', detail, { retryAfterMs: RETRY_AFTER_MS });
}

export function storagesBehind({ changePoint }: RaftStatus): Failure {
  return failure(
    'CONDITION_FAILED',
    `Too few storages of the voters there would be hold everything up to entry ${changePoint}.`,
    { retryAfterMs: RETRY_AFTER_MS, extra: { reason: STORAGES_BEHIND } },
  );
}

/** 'later': what is in the way passes by itself. */
export function refusalOf(
  reason: ChangeRefusal,
  node: NodeId,
  { progress, lastIndex, changePoint }: RaftStatus,
): Failure | 'later' | 'storages-behind' {
  const match = progress.find((each) => each.node === node)?.matchIndex ?? 0;
  switch (reason) {
    case 'not-ready':
    case 'pending':
    case 'transferring':
      return 'later';
    case 'invalid':
      return failure('INVALID_ARGUMENT', 'The cluster has as many members as it can have.');
    case 'storages-behind':
      return reason;
    case 'log-behind':
      return failure(
        'CONDITION_FAILED',
        `${node} has not caught up: its log ends at entry ${match} of ${lastIndex}.`,
      );
    case 'storage-behind':
      return failure(
        'CONDITION_FAILED',
        `${node} has not caught up: its storage does not hold everything up to entry ${changePoint} yet.`,
      );
    default:
      return assertNever(reason);
  }
}

export function memberList({ term, leader, progress, configuration: at }: RaftStatus): MemberList {
  const { index, configuration } = at;
  const { voters, outgoing, joining } = configuration;
  return {
    kind: 'members',
    index,
    term,
    leader,
    members: replicasOf(configuration).map((node) => {
      const known = progress.find((each) => each.node === node);
      const votes = voters.includes(node) || outgoing.includes(node);
      return {
        node,
        role: votes ? 'voter' : 'learner',
        change: changeOf(node, voters, joining, votes),
        priority: priorityOf(configuration, node),
        matchIndex: known?.matchIndex ?? 0,
        healthy: known?.recentlyActive ?? node === leader,
      };
    }),
  };
}

function changeOf(
  node: NodeId,
  voters: readonly NodeId[],
  joining: readonly NodeId[],
  votes: boolean,
): 'joining' | 'leaving' | undefined {
  if (joining.includes(node)) return 'joining';
  return votes && !voters.includes(node) ? 'leaving' : undefined;
}
