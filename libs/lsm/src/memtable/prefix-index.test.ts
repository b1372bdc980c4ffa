import { SeededRandom } from '@kvstore/std';
import { PrefixIndex } from './prefix-index.ts';

test('prefixes under one hash are told apart, and beyond a probe nothing is added any more', () => {
  const index = new PrefixIndex();
  const hash = 0x1234_5678;
  for (let node = 1; node <= 128; node++) index.add(hash, node);
  for (let node = 1; node <= 128; node++) {
    expect(index.find(hash, (candidate) => candidate === node)).toBe(node);
  }
  expect(index.complete).toBe(true);
  index.add(hash, 129);
  expect(index.complete).toBe(false);
  expect(index.find(hash, (candidate) => candidate === 129)).toBe(0);
  expect(index.find(hash, (candidate) => candidate === 128)).toBe(128);
  // The one that found no place may have older nodes when it comes again.
  index.add(~hash, 130);
  expect(index.find(~hash, () => true)).toBe(0);
});

test('hashes at random fill it without a prefix that finds no place', () => {
  const random = new SeededRandom(3);
  const index = new PrefixIndex();
  for (let node = 1; node <= 200_000; node++) index.add(random.below(0x7fff_ffff), node);
  expect(index.complete).toBe(true);
});

test('it grows, and what was replaced is found in its place', () => {
  const index = new PrefixIndex();
  const hashOf = (node: number): number => Math.imul(node, 0x9e37_79b1);
  for (let node = 1; node <= 5_000; node++) index.add(hashOf(node), node);
  for (let node = 1; node <= 5_000; node += 2) index.replace(hashOf(node), node, node + 10_000);
  for (let node = 1; node <= 5_000; node++) {
    const expected = node % 2 === 1 ? node + 10_000 : node;
    expect(index.find(hashOf(node), (candidate) => candidate === expected)).toBe(expected);
  }
  expect(index.complete).toBe(true);
});
