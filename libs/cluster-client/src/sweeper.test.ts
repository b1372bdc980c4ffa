import { ManualTimers } from '@kvstore/testing';
import { Sweeper } from './sweeper.ts';

describe('a sweeper', () => {
  test('sweeps often while there is something, rarely otherwise, and soon after a wake', () => {
    const timers = new ManualTimers();
    let busy = true;
    const sweeper = new Sweeper(timers, 10, 250, () => busy);
    sweeper.wake();
    expect(timers.pending).toEqual([10]);
    timers.fire();
    expect(timers.pending).toEqual([10]);
    busy = false;
    timers.fire();
    expect(timers.pending).toEqual([250]);
    sweeper.wake();
    sweeper.wake();
    expect(timers.pending).toEqual([10]);
    sweeper.stop();
    expect(timers.pending).toEqual([]);
  });

  test('one that wakes itself is armed once', () => {
    const timers = new ManualTimers();
    let sweeps = 0;
    const sweeper: Sweeper = new Sweeper(timers, 10, 250, () => {
      sweeps += 1;
      sweeper.wake();
      return false;
    });
    sweeper.wake();
    for (let i = 0; i < 3; i++) timers.fire();
    expect(sweeps).toBe(3);
    expect(timers.pending).toEqual([10]);
    sweeper.stop();
  });
});
