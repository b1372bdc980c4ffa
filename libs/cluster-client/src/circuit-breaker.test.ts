import { CircuitBreaker } from './circuit-breaker.ts';

function breaker() {
  const time = { ms: 1_000 };
  const clock = { monotonicMs: () => time.ms, wallMs: () => 0 };
  return { time, breaker: new CircuitBreaker(clock) };
}

describe('a circuit breaker', () => {
  test('opens after three failures in a row, not after three in all', () => {
    const { breaker: each } = breaker();
    each.failed();
    each.failed();
    each.succeeded();
    each.failed();
    each.failed();
    expect(each.allows).toBe(true);
    each.failed();
    expect(each.allows).toBe(false);
    expect(each.trips).toBe(1);
  });

  test('lets one attempt through after a while, and stays away twice as long when that fails', () => {
    const { breaker: each, time } = breaker();
    for (let i = 0; i < 3; i++) each.failed();
    time.ms += 249;
    expect(each.allows).toBe(false);
    time.ms += 1;
    expect(each.allows).toBe(true);
    each.failed();
    time.ms += 499;
    expect(each.allows).toBe(false);
    time.ms += 1;
    expect(each.allows).toBe(true);
    each.succeeded();
    each.failed();
    expect(each.allows).toBe(true);
  });

  test('never stays away longer than four seconds', () => {
    const { breaker: each, time } = breaker();
    for (let i = 0; i < 20; i++) {
      each.failed();
      time.ms += 4_000;
      expect(each.allows).toBe(true);
    }
  });

  test('failures while it is open do not prolong it', () => {
    const { breaker: each, time } = breaker();
    for (let i = 0; i < 30; i++) each.failed();
    time.ms += 250;
    expect(each.allows).toBe(true);
  });
});
