/** The members as REST and gRPC show them; null in a document is unset in a message. */
import type { MemberList } from '@kvstore/contract';

export interface MembersDocument {
  readonly term: number;
  readonly leader: string | null;
  /** Of the entry that holds this configuration; 0: the one the cluster was founded with. */
  readonly configuration_index: number;
  readonly members: readonly {
    readonly node: string;
    readonly role: 'voter' | 'learner';
    readonly change: 'joining' | 'leaving' | null;
    readonly priority: number;
    readonly match_index: number;
    readonly healthy: boolean;
  }[];
}

export function membersDocument({ index, term, leader, members }: MemberList): MembersDocument {
  return {
    term,
    leader: leader ?? null,
    configuration_index: index,
    members: members.map(({ node, role, change, priority, matchIndex, healthy }) => ({
      node,
      role,
      change: change ?? null,
      priority,
      match_index: matchIndex,
      healthy,
    })),
  };
}
