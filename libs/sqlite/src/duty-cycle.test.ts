import { DutyCycle, Hurry } from './duty-cycle.ts';

function stepUntil(duty: DutyCycle, rested: boolean): void {
  while (duty.step() !== rested);
}

/** Longer than any slice. */
function work(): void {
  const until = performance.now() + 5;
  while (performance.now() < until);
}

test('rests after every slice, and not while somebody waits', () => {
  const hurry = new Hurry();
  const duty = new DutyCycle(hurry.shared);
  work();
  expect(duty.step()).toBe(true);
  stepUntil(duty, true);
  hurry.begin();
  work();
  expect(duty.step()).toBe(false);
  work();
  expect(duty.step()).toBe(false);
  hurry.end();
  work();
  expect(duty.step()).toBe(true);
});
