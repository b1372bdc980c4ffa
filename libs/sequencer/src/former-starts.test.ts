import { FormerStarts } from './former-starts.ts';

const sender = (name: string, incarnation: number) =>
  ({ role: 'consensus', name, incarnation }) as const;

test('what an earlier start of a process sent is told from what the present one sends', () => {
  const starts = new FormerStarts();
  expect(starts.isFormer(sender('node-1', 4))).toBe(false);
  expect(starts.isFormer(sender('node-2', 1))).toBe(false);
  expect(starts.isFormer(sender('node-1', 4))).toBe(false);
  expect(starts.isFormer(sender('node-1', 5))).toBe(false);
  expect(starts.isFormer(sender('node-1', 4))).toBe(true);
  expect(starts.isFormer(sender('node-2', 1))).toBe(false);
});

test('names that come and go do not add up', () => {
  const starts = new FormerStarts();
  for (let i = 0; i < 10_000; i += 1) starts.isFormer(sender(`node-${i}`, 2));
  expect(starts.isFormer(sender('node-9999', 1))).toBe(true);
  expect(starts.isFormer(sender('node-1', 1))).toBe(false);
});
