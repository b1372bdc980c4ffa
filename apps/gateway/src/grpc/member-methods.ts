/**
 * The member methods: each says what shall be so, and answers with the members as they are then. Rare, so their
 * answers are written by proto-loader.
 */
import type { ServiceDefinition } from '@grpc/proto-loader';
import type { Failure, MemberRequest } from '@kvstore/contract';
import { assert, type NodeId } from '@kvstore/std';
import type { KvApi } from '../kv/kv-api.ts';
import { membersDocument } from '../status/members-document.ts';
import { type MemberMessage, readMember } from './messages.ts';

type Method = (message: Buffer, timeoutMs: number) => Promise<Uint8Array | Failure>;

const onNode =
  (kind: 'add' | 'remove' | 'promote' | 'transfer') =>
  ({ node }: MemberMessage): MemberRequest => ({ kind, node: node as NodeId });

/** Names are whatever the client wrote; `KvApi` checks them. */
const requests: Readonly<Record<string, (message: MemberMessage) => MemberRequest>> = {
  MemberList: () => ({ kind: 'list' }),
  MemberAdd: onNode('add'),
  MemberRemove: onNode('remove'),
  MemberPromote: onNode('promote'),
  MemberPriority: ({ node, priority }) => ({ kind: 'priority', node: node as NodeId, priority }),
  LeaderTransfer: onNode('transfer'),
};

/** By the name of the method. */
export function memberMethods(
  kv: KvApi,
  service: ServiceDefinition,
): readonly (readonly [string, Method])[] {
  return Object.entries(requests).map(([name, requestOf]) => {
    const definition = service[name];
    assert(definition !== undefined, `the service has no method ${name}`);
    return [
      name,
      async (message, timeoutMs) => {
        const list = await kv.members(requestOf(readMember(message)), timeoutMs);
        if (list.kind === 'failure') return list;
        return definition.responseSerialize({ members: membersDocument(list) });
      },
    ];
  });
}
