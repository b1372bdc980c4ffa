import { busConformance } from '@kvstore/testing';
import { MemoryBus } from './memory-bus.ts';

busConformance('MemoryBus', () => {
  const bus = new MemoryBus();
  return { a: bus, b: bus, settle: async () => undefined };
});

describe('MemoryBus', () => {
  test('gives the event loop its turn between bounded runs of deliveries', async () => {
    const bus = new MemoryBus();
    let ping = 0;
    bus.subscribe('ping', () => {
      ping += 1;
      bus.publish('ping', Buffer.from('again'));
    });
    bus.publish('ping', Buffer.from('first'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(ping).toBeGreaterThan(0);
    await bus.close();
  });

  test('a test decides what is lost, doubled and late', async () => {
    const late: (() => void)[] = [];
    const bus = new MemoryBus((subject, deliver) => {
      if (subject === 'lost') return;
      deliver();
      if (subject === 'doubled') deliver();
      if (subject === 'late') late.push(deliver);
    });
    const seen: string[] = [];
    for (const subject of ['lost', 'doubled']) bus.subscribe(subject, () => seen.push(subject));
    bus.publish('lost', Buffer.from('x'));
    bus.publish('doubled', Buffer.from('x'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen).toEqual(['doubled', 'doubled']);
    await bus.close();
  });

  test('its queue is bounded', () => {
    const bus = new MemoryBus();
    let taken = 0;
    while (taken < 100_000 && bus.publish('a', new Uint8Array(0))) taken += 1;
    expect(taken).toBe(65_536);
  });
});
