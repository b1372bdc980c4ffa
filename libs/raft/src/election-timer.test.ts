import { SeededRandom, type Random } from '@kvstore/std';
import { ElectionTimer } from './election-timer.ts';

function ticksUntilExpired(timer: ElectionTimer): number {
  let ticks = 0;
  while (!timer.isExpired) {
    timer.tick();
    ticks++;
  }
  return ticks;
}

function after(timer: ElectionTimer, ticks: number): ElectionTimer {
  for (let i = 0; i < ticks; i++) timer.tick();
  return timer;
}

const longest: Random = { below: (bound) => bound - 1 };

describe('an election timer', () => {
  test('draws its timeouts from [electionTicks, 2 × electionTicks), all of them (§3.4)', () => {
    const timer = new ElectionTimer(10, new SeededRandom(1));
    const drawn = new Set<number>();
    for (let i = 0; i < 500; i++) {
      drawn.add(ticksUntilExpired(timer));
      timer.reset();
    }
    expect([...drawn].sort((a, b) => a - b)).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  });

  test('begins anew when a leader is heard', () => {
    const timer = after(new ElectionTimer(10, longest), 18);
    timer.heardLeader();
    expect(ticksUntilExpired(timer)).toBe(19);
  });

  test('protects a leader for one minimum timeout after the start', () => {
    const timer = after(new ElectionTimer(10, longest), 9);
    expect(timer.protectsLeader).toBe(true);
    expect(after(timer, 1).protectsLeader).toBe(false);
  });

  test('protects a leader for one minimum timeout after hearing it, and a reset changes nothing', () => {
    const timer = after(new ElectionTimer(10, longest), 15);
    timer.heardLeader();
    after(timer, 9).reset();
    expect(timer.protectsLeader).toBe(true);
    expect(after(timer, 1).protectsLeader).toBe(false);
    timer.reset();
    expect(timer.protectsLeader).toBe(false);
  });
});
