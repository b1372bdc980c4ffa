import { nodeId } from '@kvstore/std';
import { sealShare } from './seal-share.ts';

const nodes = [3, 1, 2].map((number) => nodeId(`node-${number}`));

test('every member seals at a part of the limits of its own, whatever order it knows them in', () => {
  const shares = nodes.map((node) => sealShare(node, nodes));
  expect(shares).toEqual(nodes.map((node) => sealShare(node, nodes.toReversed())));
  expect(new Set(shares).size).toBe(3);
  expect(Math.min(...shares)).toBeGreaterThan(0.6);
  expect(Math.max(...shares)).toBe(1);
});

test('who is alone, or not on the list, uses the limits as they are', () => {
  const [one] = nodes as [(typeof nodes)[number]];
  expect(sealShare(one, [one])).toBe(1);
  expect(sealShare(nodeId('node-9'), nodes)).toBe(1);
});
