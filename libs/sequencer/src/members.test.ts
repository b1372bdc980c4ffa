import { configurationOf, type Configuration } from '@kvstore/raft';
import { logIndex, nodeId, type NodeId } from '@kvstore/std';
import { Members } from './members.ts';

const [n1, n2, n3, n4, n5] = [1, 2, 3, 4, 5].map((i) => nodeId(`node-${i}`)) as [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
  NodeId,
];
const three = configurationOf([n1, n2, n3]);
const joint: Configuration = { ...three, voters: [n3, n4, n5], outgoing: [n1, n2, n3] };
const at = (index: number, configuration: Configuration) => ({
  index: logIndex(index),
  configuration,
});
const values = (...of: [NodeId, number][]) => new Map(of);

test('a majority is one of both configurations while a change takes two', () => {
  const members = new Members(at(0, joint));
  expect(members.reachedByMajority(values([n3, 9], [n4, 9], [n5, 9]))).toBeUndefined();
  expect(members.reachedByMajority(values([n1, 4], [n3, 7], [n4, 6], [n5, 1]))).toBe(4);
  expect(members.reachedByMajority(values([n1, 9], [n2, 9], [n4, 5], [n5, 3]))).toBe(3);
});

test('who does not vote counts for nothing', () => {
  const members = new Members(at(0, { ...three, joining: [n4] }));
  expect(members.reachedByMajority(values([n1, 5], [n4, 9]))).toBeUndefined();
  expect(members.all).toEqual([n1, n2, n3, n4]);
});

test('settled is what is committed, simple and in force', () => {
  const members = new Members(at(0, three));
  expect(members.settled).toBeUndefined();
  members.follow(undefined, logIndex(1));
  expect(members.settled?.configuration).toBe(three);
  members.follow(at(5, joint), logIndex(4));
  expect(members.settled).toBeUndefined();
  expect(members.committed?.configuration).toBe(three);
  members.follow(undefined, logIndex(5));
  expect(members.settled).toBeUndefined();
  expect(members.committed?.configuration).toBe(joint);
  members.follow(at(6, configurationOf([n3, n4, n5])), logIndex(6));
  expect(members.settled?.index).toBe(6);
});

test('a single voter has nobody to leave the lead to, a learner beside it changes nothing', () => {
  const alone = { ...configurationOf([n1]), joining: [n2] };
  expect(new Members(at(0, alone)).hasOtherVoters(n1)).toBe(false);
  expect(new Members(at(0, { ...alone, outgoing: [n1, n3] })).hasOtherVoters(n1)).toBe(true);
});
