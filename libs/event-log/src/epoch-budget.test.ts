import { EpochBudget } from './epoch-budget.ts';

test('the first epoch may begin at once, and the pause after each one doubles up to its bound', () => {
  const budget = new EpochBudget(10, 60);
  expect(budget.nextAtMs).toBeLessThan(0);
  const pauses: number[] = [];
  for (let now = 1_000; pauses.length < 5; now = budget.nextAtMs) {
    budget.begun(now);
    pauses.push(budget.nextAtMs - now);
  }
  expect(pauses).toEqual([10, 20, 40, 60, 60]);
});

test('after a long quiet time the pause is short again', () => {
  const budget = new EpochBudget(10, 60);
  budget.begun(0);
  budget.begun(10);
  budget.begun(30);
  expect(budget.nextAtMs).toBe(70);
  budget.begun(150);
  expect(budget.nextAtMs).toBe(160);
});
