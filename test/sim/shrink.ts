/**
 * Makes a failing seed smaller: leaves out families of faults, then clients, then time, as long as an
 * invariant still breaks (the same one: another bug would be another search).
 */
import type { InvariantViolation } from './invariants/ledger.ts';
import { withoutRealTime } from './poison.ts';
import { runSeed } from './run-seed.ts';
import { FAULT_FAMILIES, optionsOf, type Reduction } from './world/sim-options.ts';

export function shrink(seed: number, from: Reduction, violation: InvariantViolation): Reduction {
  const stillFails = (reduction: Reduction): boolean => {
    const report = withoutRealTime(() => runSeed(seed, reduction));
    return report.violation?.invariant === violation.invariant;
  };
  let smallest = from;
  const keep = (reduction: Reduction): boolean => {
    if (!stillFails(reduction)) return false;
    smallest = reduction;
    return true;
  };
  for (const family of FAULT_FAMILIES) {
    if (smallest.without.includes(family)) continue;
    keep({ ...smallest, without: [...smallest.without, family] });
  }
  for (let clients = optionsOf(seed, smallest).workload.clients - 1; clients >= 1; clients--) {
    if (!keep({ ...smallest, clientsMax: clients })) break;
  }
  for (let step = optionsOf(seed, smallest).safetyMs; step >= 100; step = Math.floor(step / 2)) {
    const safetyMsMax = optionsOf(seed, smallest).safetyMs - step;
    if (safetyMsMax > 0) keep({ ...smallest, safetyMsMax });
  }
  return smallest;
}
