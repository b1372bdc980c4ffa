import type { Beacon } from '@kvstore/contract';
import { configurationOf } from '@kvstore/raft';
import { chain, logIndex, logTimeMs, nodeId } from '@kvstore/std';
import { Members } from './members.ts';
import { Storages } from './storages.ts';

const nodes = ['node-1', 'node-2', 'node-3'].map(nodeId);
const members = new Members({ index: logIndex(0), configuration: configurationOf(nodes) });
const beacon = (applied: number, nextDue?: number, over: Partial<Beacon> = {}): Beacon => ({
  clusterTag: 1,
  applied: logIndex(applied),
  durable: logIndex(0),
  chain: chain(0),
  nextDue: nextDue === undefined ? undefined : logTimeMs(nextDue),
  healthy: true,
  wallMs: 0,
  ...over,
});

describe('what the storages say', () => {
  test('the median applied index is what a majority has applied', () => {
    const storages = new Storages(members);
    expect(storages.medianApplied()).toBeUndefined();
    storages.hear(nodes[0]!, beacon(50), 0);
    expect(storages.medianApplied()).toBeUndefined();
    storages.hear(nodes[1]!, beacon(40), 0);
    expect(storages.medianApplied()).toBe(40);
    storages.hear(nodes[2]!, beacon(10), 0);
    expect(storages.medianApplied()).toBe(40);
    storages.hear(nodeId('stranger'), beacon(0), 0);
    expect(storages.medianApplied()).toBe(40);
  });

  test('a clock entry is due when something has expired and the last one is applied', () => {
    const storages = new Storages(members);
    expect(storages.expiry(logTimeMs(100), logIndex(0), 0)).toBe('unheard');
    storages.hear(nodes[0]!, beacon(5, 100), 0);
    expect(storages.expiry(logTimeMs(99), logIndex(0), 0)).toBe('idle');
    expect(storages.expiry(logTimeMs(100), logIndex(5), 0)).toBe('due');
    expect(storages.expiry(logTimeMs(100), logIndex(6), 0)).toBe('idle');
    expect(storages.expiry(logTimeMs(100), logIndex(5), 5_000)).toBe('unheard');
  });

  test('a storage that does not serve has applied nothing: a majority of them is back-pressure', () => {
    const storages = new Storages(members);
    const fenced = beacon(9, undefined, { healthy: false });
    storages.hear(nodes[0]!, fenced, 0);
    expect(storages.medianApplied()).toBeUndefined();
    storages.hear(nodes[1]!, beacon(8), 0);
    storages.hear(nodes[2]!, beacon(7), 0);
    expect(storages.medianApplied()).toBe(7);
    storages.hear(nodes[1]!, fenced, 0);
    expect(storages.medianApplied()).toBe(0);
  });

  test('one wrong wall clock moves the majority’s time nowhere', () => {
    const hour = 3_600_000;
    const at = (wallMs: number): Beacon => beacon(0, undefined, { wallMs });
    for (const wrong of [-hour, hour]) {
      const storages = new Storages(members);
      expect(storages.majorityWallMs(nodes[0]!, 10 * hour, 0)).toBeUndefined();
      storages.hear(nodes[0]!, at(0), 0);
      storages.hear(nodes[1]!, at(10 * hour + 5), 0);
      storages.hear(nodes[2]!, at(10 * hour + wrong), 0);
      const now = storages.majorityWallMs(nodes[0]!, 10 * hour + 100, 100);
      expect(Math.abs(now! - (10 * hour + 100))).toBeLessThanOrEqual(5);
    }
  });

  test('a wall clock that has not been heard for two seconds does not count', () => {
    const storages = new Storages(members);
    storages.hear(nodes[1]!, beacon(0, undefined, { wallMs: 1_000 }), 0);
    expect(storages.majorityWallMs(nodes[0]!, 900, 2_000)).toBe(900);
    expect(storages.majorityWallMs(nodes[0]!, 900, 2_001)).toBeUndefined();
  });

  test('the log is held for who receives a snapshot, and not for ever', () => {
    const storages = new Storages(members);
    const needs = (index: number): Beacon =>
      beacon(0, undefined, { needs: logIndex(index), healthy: false });
    const held = (nowMs: number): number[] => [...storages.holds(nowMs)].map(([, from]) => from);
    expect(held(0)).toEqual([]);
    storages.hear(nodes[0]!, needs(30), 0);
    storages.hear(nodes[1]!, needs(20), 0);
    storages.hear(nodeId('stranger'), needs(1), 0);
    expect(held(1_000)).toEqual([30, 20]);
    storages.hear(nodes[1]!, beacon(40), 1_000);
    expect(held(1_000)).toEqual([30]);
    expect(held(2_001)).toEqual([]);

    for (const sameAt of [300_000, 600_001]) storages.hear(nodes[0]!, needs(30), sameAt);
    expect(held(600_001)).toEqual([]);
    storages.hear(nodes[0]!, needs(29), 600_002);
    expect(held(600_002)).toEqual([]);
    storages.hear(nodes[0]!, needs(31), 600_003);
    expect(held(600_003)).toEqual([31]);
  });
});
