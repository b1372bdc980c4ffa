/**
 * What every `Bus` promises; run against each adapter, with two handles on one transport, so that
 * what one process sends reaches another.
 */
import { type Bus, type BusError, type BusMessage, Limits } from '@kvstore/contract';
import { eventually } from './local-cluster.ts';

export interface BusPair {
  /** Two handles; the same one twice where there is only one. */
  readonly a: Bus;
  readonly b: Bus;
  /** Resolves once what was subscribed so far on either is in effect for both. */
  settle(): Promise<void>;
}

const X = Buffer.from('x');
const TIMEOUT_MS = 10_000;

export function busConformance(name: string, make: () => Promise<BusPair> | BusPair): void {
  describe(`${name} keeps the promises of Bus`, () => {
    let pair: BusPair;
    let a: Bus;
    let b: Bus;

    beforeEach(async () => {
      pair = await make();
      ({ a, b } = pair);
    });
    afterEach(async () => {
      await a.close();
      await b.close();
    });

    /** Subscribes now; resolves with the first `count` payloads. */
    const received = (bus: Bus, subject: string, count: number): Promise<readonly Uint8Array[]> =>
      new Promise((resolve) => {
        const payloads: Uint8Array[] = [];
        bus.subscribe(subject, ({ payload }) => {
          payloads.push(payload);
          if (payloads.length === count) resolve(payloads);
        });
      });

    test('messages of one subject arrive in order, at every subscriber', async () => {
      const texts = Array.from({ length: 3000 }, (_, i) => `message ${i}`);
      const all = [b, b, a].map((bus) => received(bus, 'x', texts.length));
      await pair.settle();
      for (const text of texts) expect(a.publish('x', Buffer.from(text))).toBe(true);
      for (const payloads of await Promise.all(all)) expect(payloads.map(textOf)).toEqual(texts);
    });

    test('delivery is never synchronous', async () => {
      const arrived = Promise.all([received(a, 'x', 2), received(b, 'x', 2)]);
      await pair.settle();
      let delivered = false;
      a.subscribe('x', () => {
        delivered = true;
      });
      const buffers = [Buffer.from('original'), Buffer.alloc(Limits.frameBytesMax, 1)];
      for (const buffer of buffers) a.publish('x', buffer);
      expect(delivered).toBe(false);
      for (const [small, large] of await arrived) {
        expect(textOf(small)).toBe('original');
        expect(large?.length).toBe(Limits.frameBytesMax);
        expect(large?.every((byte) => byte === 1)).toBe(true);
      }
    });

    test('bytes arrive as they were sent, from none to the largest frame', async () => {
      const random = Uint8Array.from({ length: 1021 }, (_, i) => (i * i * 31 + i * 7) % 256);
      const payloads = [
        new Uint8Array(0),
        Buffer.from('\r\nPING\r\nMSG x 1 3\r\nabc\r\n'),
        ...[1, 255, 65_535, Limits.frameBytesMax].map((length) =>
          Uint8Array.from({ length }, (_, i) => random[(i + length) % random.length] as number),
        ),
      ];
      b.subscribe('echo', ({ payload, respond }) => respond(Uint8Array.from(payload)));
      const arrived = received(b, 'x', payloads.length);
      await pair.settle();
      for (const payload of payloads) a.publish('x', payload);
      const answers = await Promise.all(
        payloads.map((payload) => a.request('echo', payload, TIMEOUT_MS)),
      );
      const published = await arrived;
      for (const [i, payload] of payloads.entries()) {
        expect(Buffer.compare(published[i] as Uint8Array, payload)).toBe(0);
        expect(Buffer.compare(answers[i] as Uint8Array, payload)).toBe(0);
      }
    });

    test('a payload stays what it was for as long as it is referenced', async () => {
      const count = 600;
      const lengthOf = (i: number): number => (i * 997) % 30_000;
      const arrived = received(b, 'x', count);
      await pair.settle();
      for (let i = 0; i < count; i++) a.publish('x', Buffer.alloc(lengthOf(i), i));
      for (const [i, payload] of (await arrived).entries()) {
        expect(payload.length).toBe(lengthOf(i));
        expect(payload.every((byte) => byte === i % 256)).toBe(true);
      }
    });

    test('other subjects are not disturbed, and nobody after unsubscribing', async () => {
      const seen: string[] = [];
      const subscription = b.subscribe('x', () => seen.push('x'));
      b.subscribe('xy', () => seen.push('xy'));
      subscription.unsubscribe();
      subscription.unsubscribe();
      const end = received(b, 'end', 1);
      await pair.settle();
      a.publish('x', X);
      a.publish('end', X);
      await end;
      expect(seen).toEqual([]);
    });

    test('one subscriber that leaves takes no other with it, also while a message is delivered', async () => {
      const seen: string[] = [];
      const first = b.subscribe('x', () => {
        seen.push('first');
        first.unsubscribe();
      });
      b.subscribe('x', ({ payload }) => seen.push(textOf(payload)));
      const end = received(b, 'end', 1);
      await pair.settle();
      for (const text of ['one', 'two', 'three']) a.publish('x', Buffer.from(text));
      a.publish('end', X);
      await end;
      expect(seen.filter((text) => text === 'first')).toHaveLength(1);
      expect(seen.filter((text) => text !== 'first')).toEqual(['one', 'two', 'three']);
    });

    test('who subscribes while a message is delivered gets the later ones only', async () => {
      const late: string[] = [];
      let subscribed = false;
      b.subscribe('x', () => {
        if (!subscribed) b.subscribe('x', ({ payload }) => late.push(textOf(payload)));
        subscribed = true;
      });
      await pair.settle();
      a.publish('x', Buffer.from('early'));
      await eventually('the first one arrived', () => subscribed);
      await pair.settle();
      a.publish('x', Buffer.from('late'));
      await eventually('the second one arrived', () => late.length > 0);
      expect(late).toEqual(['late']);
    });

    test('publishes and requests of one sender on one subject keep their order', async () => {
      const seen: string[] = [];
      b.subscribe('x', ({ payload, respond }) => {
        seen.push(textOf(payload));
        respond(X);
      });
      await pair.settle();
      const texts = Array.from({ length: 200 }, (_, i) => `message ${i}`);
      const answers: Promise<Uint8Array>[] = [];
      for (const [i, text] of texts.entries()) {
        if (i % 2 === 1) answers.push(a.request('x', Buffer.from(text), TIMEOUT_MS));
        else a.publish('x', Buffer.from(text));
      }
      await Promise.all(answers);
      expect(seen).toEqual(texts);
    });

    test('a payload beyond the largest frame is a bug of whoever sends it', async () => {
      const large = Buffer.alloc(Limits.frameBytesMax + 1);
      expect(() => a.publish('x', large)).toThrow('a payload fits one frame');
      await expect(a.request('x', large, 1_000)).rejects.toThrow('a payload fits one frame');
      let thrown: unknown;
      b.subscribe('x', ({ respond }) => {
        try {
          respond(large);
        } catch (error) {
          thrown = error;
        }
        respond(X);
      });
      await pair.settle();
      expect(textOf(await a.request('x', X, TIMEOUT_MS))).toBe('x');
      expect(String(thrown)).toContain('a payload fits one frame');
    });

    test('each request gets its own answer', async () => {
      b.subscribe('exclaim', ({ payload, respond }) => respond(Buffer.from(`${textOf(payload)}!`)));
      await pair.settle();
      const texts = Array.from({ length: 100 }, (_, i) => `request ${i}`);
      const answers = await Promise.all(
        texts.map((text) => a.request('exclaim', Buffer.from(text), TIMEOUT_MS)),
      );
      expect(answers.map(textOf)).toEqual(texts.map((text) => `${text}!`));
    });

    test('the first answer counts, and only that', async () => {
      b.subscribe('twice', ({ respond }) => {
        respond(Buffer.from('first'));
        respond(Buffer.from('second'));
      });
      await pair.settle();
      for (let i = 0; i < 3; i++) {
        expect(textOf(await a.request('twice', X, TIMEOUT_MS))).toBe('first');
      }
    });

    test('an answer to a published message goes nowhere', async () => {
      const ends = received(b, 'end', 1);
      b.subscribe('x', ({ respond }) => {
        respond(X);
        b.publish('end', X);
      });
      await pair.settle();
      a.publish('x', X);
      expect(await ends).toHaveLength(1);
    });

    test('a request that nobody listens to is told so at once', async () => {
      await expect(a.request('void', X, 60_000)).rejects.toMatchObject({ code: 'NO_RESPONDERS' });
    });

    test('a request that is not answered times out, and a late answer harms nobody', async () => {
      const kept: BusMessage[] = [];
      b.subscribe('silent', (message) => kept.push(message));
      b.subscribe('echo', ({ payload, respond }) => respond(Uint8Array.from(payload)));
      await pair.settle();
      await expect(a.request('silent', X, 20)).rejects.toMatchObject({ code: 'TIMEOUT' });
      await eventually('the request arrived', () => kept.length === 1);
      kept[0]?.respond(Buffer.from('late'));
      expect(textOf(await a.request('echo', Buffer.from('next'), TIMEOUT_MS))).toBe('next');
    });

    test('each request has a time of its own', async () => {
      b.subscribe('silent', () => undefined);
      await pair.settle();
      const ended: number[] = [];
      const startMs = performance.now();
      await Promise.all(
        [150, 20, 80].map((timeoutMs) =>
          a.request('silent', X, timeoutMs).catch((error: BusError) => {
            expect(error.code).toBe('TIMEOUT');
            // Why a millisecond less: timers may be that much early.
            expect(performance.now() - startMs).toBeGreaterThanOrEqual(timeoutMs - 1);
            ended.push(timeoutMs);
          }),
        ),
      );
      expect(ended).toEqual([20, 80, 150]);
    });

    test('a request whose handler is gone before it answers times out', async () => {
      let arrived = 0;
      const subscription = b.subscribe('silent', () => {
        arrived += 1;
        subscription.unsubscribe();
      });
      await pair.settle();
      await expect(a.request('silent', X, 50)).rejects.toMatchObject({ code: 'TIMEOUT' });
      expect(arrived).toBe(1);
      await pair.settle();
      await expect(a.request('silent', X, TIMEOUT_MS)).rejects.toMatchObject({
        code: 'NO_RESPONDERS',
      });
    });

    test('reconnecting keeps the subscriptions', async () => {
      const arrived = received(b, 'x', 1);
      b.subscribe('echo', ({ payload, respond }) => respond(Uint8Array.from(payload)));
      await pair.settle();
      b.reconnect();
      await eventually('connected again', () => b.status === 'connected');
      await pair.settle();
      expect(a.publish('x', Buffer.from('after'))).toBe(true);
      expect((await arrived).map(textOf)).toEqual(['after']);
      expect(textOf(await a.request('echo', Buffer.from('too'), TIMEOUT_MS))).toBe('too');
    });

    test('closing ends the requests under way as timed out, and delivers nothing more', async () => {
      let delivered = 0;
      a.subscribe('x', () => {
        delivered += 1;
      });
      b.subscribe('silent', () => undefined);
      await pair.settle();
      const request = a.request('silent', X, 60_000);
      a.publish('x', X);
      const closed = a.close();
      await expect(request).rejects.toMatchObject({ code: 'TIMEOUT' });
      await closed;
      expect(delivered).toBe(0);
    });

    test('closing ends every request under way, each once, and whoever answers late is not disturbed', async () => {
      const kept: BusMessage[] = [];
      b.subscribe('silent', (message) => kept.push(message));
      await pair.settle();
      const requests = Array.from({ length: 300 }, () => a.request('silent', X, 60_000));
      const ended = Promise.allSettled(requests);
      await eventually('all arrived', () => kept.length === requests.length);
      for (const message of kept.slice(0, 100)) message.respond(X);
      const closed = a.close();
      for (const message of kept.slice(100)) message.respond(X);
      await closed;
      for (const outcome of await ended) {
        if (outcome.status === 'rejected')
          expect(outcome.reason).toMatchObject({ code: 'TIMEOUT' });
      }
    });

    test('a subscription of a closed bus gets nothing', async () => {
      let delivered = 0;
      await a.close();
      a.subscribe('x', () => {
        delivered += 1;
      });
      const end = b.status === 'closed' ? undefined : received(b, 'x', 1);
      if (end !== undefined) {
        b.publish('x', X);
        await end;
      }
      expect(delivered).toBe(0);
    });

    test('a closed bus takes nothing, and may be closed again', async () => {
      await a.close();
      await a.close();
      expect(a.status).toBe('closed');
      expect(a.publish('x', X)).toBe(false);
      await expect(a.request('x', X, 1_000)).rejects.toMatchObject({ code: 'NOT_SENT' });
      a.reconnect();
      a.subscribe('x', () => undefined).unsubscribe();
      expect(a.status).toBe('closed');
    });

    test('an answer after closing is harmless', async () => {
      const kept: BusMessage[] = [];
      b.subscribe('silent', (message) => kept.push(message));
      await pair.settle();
      await expect(a.request('silent', X, 20)).rejects.toMatchObject({ code: 'TIMEOUT' });
      await eventually('the request arrived', () => kept.length === 1);
      await b.close();
      expect(() => kept[0]?.respond(X)).not.toThrow();
    });
  });
}

function textOf(payload: Uint8Array | undefined): string {
  return Buffer.from(payload ?? []).toString();
}
