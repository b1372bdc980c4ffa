/**
 * What a simulated run must not touch: real time and real chance. Whoever reaches for them fails the
 * seed instead of making it another one each time.
 */
const FORBIDDEN = [
  [globalThis, 'setTimeout'],
  [globalThis, 'setInterval'],
  [globalThis, 'setImmediate'],
  [Date, 'now'],
  [Math, 'random'],
  [performance, 'now'],
  [process, 'hrtime'],
] as const;

/** Runs `work` with all of them poisoned. */
export function withoutRealTime<Result>(work: () => Result): Result {
  const kept = FORBIDDEN.map(([owner, name]) => Reflect.get(owner, name) as unknown);
  for (const [owner, name] of FORBIDDEN) {
    Reflect.set(owner, name, () => {
      throw new Error(`${name} was called: a simulation has its own time and its own chance`);
    });
  }
  try {
    return work();
  } finally {
    for (const [place, [owner, name]] of FORBIDDEN.entries()) Reflect.set(owner, name, kept[place]);
  }
}
