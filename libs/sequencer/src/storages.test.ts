import { chain, logIndex, logTimeMs, nodeId } from '@kvstore/std';
import { Storages } from './storages.ts';

const nodes = ['node-1', 'node-2', 'node-3'].map(nodeId);
const beacon = (applied: number, nextDue?: number) => ({
  applied: logIndex(applied),
  durable: logIndex(0),
  chain: chain(0),
  nextDue: nextDue === undefined ? undefined : logTimeMs(nextDue),
  healthy: true,
});

describe('what the storages say', () => {
  test('the median applied index is what a majority has applied', () => {
    const storages = new Storages(nodes);
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
    const storages = new Storages(nodes);
    expect(storages.expiry(logTimeMs(100), logIndex(0), 0)).toBe('unheard');
    storages.hear(nodes[0]!, beacon(5, 100), 0);
    expect(storages.expiry(logTimeMs(99), logIndex(0), 0)).toBe('idle');
    expect(storages.expiry(logTimeMs(100), logIndex(5), 0)).toBe('due');
    expect(storages.expiry(logTimeMs(100), logIndex(6), 0)).toBe('idle');
    expect(storages.expiry(logTimeMs(100), logIndex(5), 5_000)).toBe('unheard');
  });
});
