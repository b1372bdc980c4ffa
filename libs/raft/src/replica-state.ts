/** What every role works on: the parts of a replica that outlive its roles. */
import type { NodeId, Term } from '@kvstore/std';
import type { ElectionTimer } from './election-timer.ts';
import type { HardStateCell } from './hard-state-cell.ts';
import type { RaftLog } from './log/raft-log.ts';
import type { Membership } from './membership/membership.ts';
import type { Outbox } from './outbox.ts';
import type { RaftConfig } from './raft-config.ts';

export interface ReplicaState {
  readonly config: RaftConfig;
  readonly log: RaftLog;
  readonly membership: Membership;
  readonly hardState: HardStateCell;
  readonly timer: ElectionTimer;
  readonly outbox: Outbox;
}

/** Head of a message from this replica in its term. */
export function addressTo(
  { config, hardState }: ReplicaState,
  to: NodeId,
): { readonly from: NodeId; readonly to: NodeId; readonly term: Term } {
  return { from: config.id, to, term: hardState.term };
}
