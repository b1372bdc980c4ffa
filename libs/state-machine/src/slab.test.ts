import * as fc from 'fast-check';
import { Slab } from './slab.ts';

test('pieces have the length asked for, are zero, and never overlap', () => {
  const lengths = fc.array(fc.oneof(fc.nat(300), fc.integer({ min: 8000, max: 9000 })), {
    minLength: 1,
    maxLength: 60,
  });
  fc.assert(
    fc.property(lengths, (wanted) => {
      const slab = new Slab();
      const pieces = wanted.map((length, i) => {
        const piece = slab.take(length);
        expect(piece.length).toBe(length);
        expect(piece.every((byte) => byte === 0)).toBe(true);
        return piece.fill(i + 1);
      });
      pieces.forEach((piece, i) => expect(piece.every((byte) => byte === i + 1)).toBe(true));
    }),
    { numRuns: 50 },
  );
});

test('a large piece has a buffer of its own, small ones share theirs', () => {
  const slab = new Slab();
  const [first, second, large] = [slab.take(10), slab.take(10), slab.take(8193)];
  expect(second.buffer).toBe(first.buffer);
  expect(large.buffer.byteLength).toBe(8193);
});
