import fc from 'fast-check';
import { ByteReader, InvariantError, term } from '@kvstore/std';
import { FrameCodec, FrameKind, FrameRefusal, type SenderRole } from './frame.ts';

const secret = Buffer.alloc(32, 7);

function codec(role: SenderRole, over: Partial<ConstructorParameters<typeof FrameCodec>[0]> = {}) {
  const sender = { role, name: 'node-1', incarnation: 3 };
  return new FrameCodec({ cluster: 'dev', group: 'g0', secret, sender, ...over });
}

describe('frames', () => {
  test('carry kind, sender, incarnation, term and body', () => {
    const body = Buffer.from('body');
    const bytes = codec('consensus').seal(FrameKind.mark, term(9), body);
    const frame = codec('gateway').open(bytes, FrameKind.mark);
    expect(frame).toMatchObject({
      kind: FrameKind.mark,
      sender: { role: 'consensus', name: 'node-1', incarnation: 3 },
      term: 9,
    });
    expect(Buffer.compare(frame!.body, body)).toBe(0);
  });

  test('a role cannot seal a kind that is not its own', () => {
    expect(() => codec('gateway').seal(FrameKind.live, term(1), new Uint8Array(0))).toThrow(
      InvariantError,
    );
  });

  test.each([
    ['another cluster', FrameRefusal.cluster, { cluster: 'prod' }],
    ['another group', FrameRefusal.cluster, { group: 'g1' }],
    ['another secret', FrameRefusal.mac, { secret: Buffer.alloc(32, 8) }],
  ])('of %s are refused and counted', (_name, reason, over) => {
    const receiver = codec('gateway');
    const bytes = codec('consensus', over).seal(FrameKind.mark, term(1), new Uint8Array(0));
    expect(receiver.open(bytes, FrameKind.mark)).toBeUndefined();
    expect(receiver.refused.get(reason)).toBe(1);
  });

  test('of a kind that is not expected here are refused', () => {
    const receiver = codec('storage');
    const bytes = codec('consensus').seal(FrameKind.mark, term(1), new Uint8Array(0));
    expect(receiver.open(bytes, FrameKind.live)).toBeUndefined();
    expect(receiver.refused.get(FrameRefusal.kind)).toBe(1);
  });

  test('every flipped bit and every cut is refused, and nothing throws', () => {
    const bytes = codec('consensus').seal(FrameKind.mark, term(5), Buffer.from('0123456789'));
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Uint8Array.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(codec('gateway').open(flipped, FrameKind.mark)).toBeUndefined();
    }
    for (let length = 0; length < bytes.length; length++) {
      expect(codec('gateway').open(bytes.subarray(0, length), FrameKind.mark)).toBeUndefined();
    }
  });

  test('random bytes are refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(codec('gateway').open(bytes, FrameKind.mark)).toBeUndefined();
      }),
    );
  });

  test('a body that cannot be decoded is refused as malformed', () => {
    const receiver = codec('gateway');
    const bytes = codec('consensus').seal(FrameKind.mark, term(1), new Uint8Array(3));
    expect(
      receiver.receive(bytes, FrameKind.mark, (body) => new ByteReader(body).u64()),
    ).toBeUndefined();
    expect(receiver.refused.get(FrameRefusal.malformed)).toBe(1);
    expect(receiver.receive(bytes, FrameKind.mark, (body) => body.length)?.body).toBe(3);
  });

  test('a short secret is a bug', () => {
    expect(() => codec('gateway', { secret: Buffer.alloc(8) })).toThrow(InvariantError);
  });
});
