import fc from 'fast-check';
import { SeededRandom } from '@kvstore/std';
import { isLinearizableByBruteForce } from './brute-force.test-support.ts';
import { encodeHistory, type Operation } from './history.ts';
import { ABSENT } from './key-state.ts';
import { revisionsTaken, stepsOf } from './key-steps.ts';
import { checkLinearizability, describeCheck } from './linearizability.ts';
import { searchOrder } from './order-search.ts';
import { simulate } from './simulated-store.test-support.ts';

const RUNS = 20_000;

/** One number of one operation a little off, or two answers of one kind exchanged. */
function disturb(history: readonly Operation[], random: SeededRandom): Operation[] {
  const at = random.below(history.length);
  const operation = history[at] as Operation;
  const by = random.below(2) === 0 ? 1 : -1;
  const fields = Object.keys(operation.result).filter((name) => /version|evision/.test(name));
  const field = fields[random.below(fields.length + 2)];
  if (field !== undefined) {
    const value = (operation.result as unknown as Record<string, number>)[field] as number;
    const result = { ...operation.result, [field]: Math.max(0, value + by) };
    return history.with(at, { ...operation, result } as Operation);
  }
  if (random.below(2) === 0) {
    const shift = by * random.below(30);
    const [call, returned] = [operation.call + shift, operation.return + shift];
    return history.with(at, { ...operation, call, return: returned });
  }
  const other = history.findIndex((each, index) => index > at && each.kind === operation.kind);
  const swapped = history[other];
  if (swapped === undefined || conditionFails(swapped) || conditionFails(operation)) {
    return [...history];
  }
  return history
    .with(at, { ...operation, result: swapped.result } as Operation)
    .with(other, { ...swapped, result: operation.result } as Operation);
}

/** Such an answer makes no sense at an operation without a condition. */
function conditionFails({ result }: Operation): boolean {
  return result.kind === 'condition-failed';
}

const simulations = {
  seed: fc.nat(),
  clients: fc.integer({ min: 1, max: 5 }),
  operations: fc.integer({ min: 1, max: 7 }),
  keys: fc.constant(1),
  unknownPercent: fc.constantFrom(0, 30, 60),
  refusedPercent: fc.constantFrom(0, 10),
};

/** Runs `agree` on small histories, some right, some wrong; it tells the verdict of brute force. */
function overSmallHistories(agree: (history: readonly Operation[]) => boolean): void {
  const verdicts = { accepted: 0, rejected: 0 };
  const histories = fc.record({ ...simulations, disturbances: fc.integer({ min: 0, max: 3 }) });
  fc.assert(
    fc.property(histories, ({ disturbances, ...simulation }) => {
      const random = new SeededRandom(simulation.seed);
      let operations: Operation[] = simulate(simulation);
      for (let n = 0; n < disturbances; n++) operations = disturb(operations, random);
      verdicts[agree(operations) ? 'accepted' : 'rejected'] += 1;
    }),
    { numRuns: RUNS },
  );
  expect(verdicts.accepted).toBeGreaterThan(RUNS / 4);
  expect(verdicts.rejected).toBeGreaterThan(RUNS / 4);
}

test('a key has an order exactly when trying all of them finds one', () => {
  overSmallHistories((history) => {
    const expected = isLinearizableByBruteForce(history, { revisionsInOrder: false });
    const steps = stepsOf(history);
    const bounds = { taken: revisionsTaken(steps), configurationsMax: 100_000 };
    const { kind } = searchOrder(steps, ABSENT, bounds);
    if (kind !== (expected ? 'order' : 'no-order')) {
      throw new Error(`brute force: ${expected}, search: ${kind}\n${encodeHistory(history)}`);
    }
    return expected;
  });
}, 120_000);

test('rules and search together accept exactly what trying all orders of the store does', () => {
  overSmallHistories((history) => {
    const expected = isLinearizableByBruteForce(history, { revisionsInOrder: true });
    const result = checkLinearizability(history);
    if (result.kind !== (expected ? 'ok' : 'violation')) {
      throw new Error(
        `brute force: ${expected}\n${describeCheck(result)}\n${encodeHistory(history)}`,
      );
    }
    return expected;
  });
}, 120_000);
