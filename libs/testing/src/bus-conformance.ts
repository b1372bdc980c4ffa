/** What every `Bus` promises; run against each adapter. */
import type { Bus } from '@kvstore/contract';

export function busConformance(name: string, make: () => Promise<Bus> | Bus): void {
  describe(`${name} keeps the promises of Bus`, () => {
    let bus: Bus;

    beforeEach(async () => {
      bus = await make();
    });
    afterEach(() => bus.close());

    const received = (subject: string, count: number): Promise<readonly string[]> =>
      new Promise((resolve) => {
        const texts: string[] = [];
        bus.subscribe(subject, ({ payload }) => {
          texts.push(Buffer.from(payload).toString());
          if (texts.length === count) resolve(texts);
        });
      });

    test('messages of one subject arrive in order, at every subscriber', async () => {
      const texts = Array.from({ length: 3000 }, (_, i) => `message ${i}`);
      const both = Promise.all([received('a', texts.length), received('a', texts.length)]);
      for (const text of texts) expect(bus.publish('a', Buffer.from(text))).toBe(true);
      const [first, second] = await both;
      expect(first).toEqual(texts);
      expect(second).toEqual(texts);
    });

    test('delivery is never synchronous and the caller keeps its buffer', async () => {
      const arrived = received('a', 1);
      let delivered = false;
      bus.subscribe('a', () => {
        delivered = true;
      });
      const buffer = Buffer.from('original');
      bus.publish('a', buffer);
      buffer.fill(0);
      expect(delivered).toBe(false);
      expect(await arrived).toEqual(['original']);
    });

    test('other subjects are not disturbed, and nobody after unsubscribing', async () => {
      const seen: string[] = [];
      const subscription = bus.subscribe('a', () => seen.push('a'));
      bus.subscribe('ab', () => seen.push('ab'));
      subscription.unsubscribe();
      const end = received('end', 1);
      bus.publish('a', Buffer.from('x'));
      bus.publish('end', Buffer.from('x'));
      await end;
      expect(seen).toEqual([]);
    });

    test('a request gets its answer', async () => {
      bus.subscribe('double', ({ payload, respond }) => {
        respond(Buffer.from(`${Buffer.from(payload).toString()}!`));
      });
      const answers = await Promise.all(
        ['a', 'b', 'c'].map((text) => bus.request('double', Buffer.from(text), 1_000)),
      );
      expect(answers.map((answer) => Buffer.from(answer).toString())).toEqual(['a!', 'b!', 'c!']);
    });

    test('a request that nobody listens to is told so at once', async () => {
      await expect(bus.request('void', Buffer.from('x'), 60_000)).rejects.toMatchObject({
        code: 'NO_RESPONDERS',
      });
    });

    test('a request that is not answered times out', async () => {
      bus.subscribe('silent', () => undefined);
      await expect(bus.request('silent', Buffer.from('x'), 20)).rejects.toMatchObject({
        code: 'TIMEOUT',
      });
    });

    test('a closed bus takes nothing', async () => {
      await bus.close();
      expect(bus.status).toBe('closed');
      expect(bus.publish('a', Buffer.from('x'))).toBe(false);
      await expect(bus.request('a', Buffer.from('x'), 1_000)).rejects.toMatchObject({
        code: 'NOT_SENT',
      });
    });
  });
}
