/** Random histories of a store that is right, and the same with one thing made wrong. */
import fc from 'fast-check';
import { SeededRandom } from '@kvstore/std';
import { checkLinearizability, describeCheck } from './linearizability.ts';
import { mutations } from './mutations.test-support.ts';
import { simulate, type Simulation } from './simulated-store.test-support.ts';

const simulations: fc.Arbitrary<Simulation> = fc.record({
  seed: fc.nat(),
  clients: fc.integer({ min: 1, max: 24 }),
  operations: fc.integer({ min: 1, max: 300 }),
  keys: fc.integer({ min: 1, max: 4 }),
  unknownPercent: fc.constantFrom(0, 2, 10, 30),
  refusedPercent: fc.constantFrom(0, 10),
});

test('what a correct store answers to concurrent clients is accepted', () => {
  fc.assert(
    fc.property(simulations, (simulation) => {
      const result = checkLinearizability(simulate(simulation));
      if (result.kind !== 'ok') throw new Error(describeCheck(result));
    }),
    { numRuns: 500 },
  );
});

test.each(Object.entries(mutations))('%s is rejected', (_name, mutate) => {
  fc.assert(
    fc.property(simulations, (simulation) => {
      const history = simulate(simulation);
      const mutated = mutate(history, new SeededRandom(simulation.seed));
      fc.pre(mutated !== undefined);
      expect(checkLinearizability(mutated).kind).toBe('violation');
    }),
    { numRuns: 100, maxSkipsPerRun: 100 },
  );
});
