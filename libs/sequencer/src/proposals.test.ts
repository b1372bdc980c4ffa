import type { ProposeReply } from '@kvstore/contract';
import { logIndex, nodeId } from '@kvstore/std';
import { type Proposal, Proposals } from './proposals.ts';

const route = { home: nodeId('node-1'), gateway: 'gateway-1' };

function proposal(bytes: number, commands = 1): { proposal: Proposal; replies: ProposeReply[] } {
  const batch = new Uint8Array(bytes);
  batch[25] = commands >> 8;
  batch[26] = commands & 0xff;
  const replies: ProposeReply[] = [];
  return { proposal: { route, batch, answer: (reply) => replies.push(reply) }, replies };
}

describe('proposals', () => {
  test('of one turn share entries, whole batches only, in order', () => {
    const proposals = new Proposals(10_000_000);
    const sizes = [200_000, 150_000, 100_000, 50];
    expect(sizes.map((size) => proposals.take(proposal(size).proposal))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(proposals.drain().map((entry) => entry.map(({ batch }) => batch.length))).toEqual([
      [200_000, 150_000],
      [100_000, 50],
    ]);
    expect(proposals.drain()).toEqual([]);
  });

  test('are answered once: when committed, refused, or abandoned', () => {
    const proposals = new Proposals(1_000);
    const [committed, abandoned, refused, over] = [
      proposal(100),
      proposal(100),
      proposal(100),
      proposal(2_000),
    ];
    proposals.appended(logIndex(5), [committed.proposal]);
    proposals.appended(logIndex(6), [abandoned.proposal]);
    expect(proposals.committed(logIndex(4))).toEqual([]);
    expect(proposals.committed(logIndex(5))).toEqual([route]);
    expect(proposals.committed(logIndex(5))).toEqual([]);
    proposals.abandon();
    proposals.take(refused.proposal);
    proposals.refuseQueue(nodeId('node-2'));
    expect(proposals.take(over.proposal)).toBe(false);
    expect(committed.replies).toEqual([{ kind: 'committed', index: 5 }]);
    expect(abandoned.replies).toEqual([{ kind: 'unknown' }]);
    expect(refused.replies).toEqual([{ kind: 'not-leader', leader: 'node-2' }]);
    expect(over.replies).toEqual([{ kind: 'refused', reason: 1 }]);
    expect(proposals.pendingEntries).toBe(0);
  });
});
