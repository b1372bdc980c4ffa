/** Every key is put before anything is measured, and a sample of both protocols is checked. */
import { keyName, KEYS, Operations, randomKey } from '../systems/dialect.ts';
import type { System } from '../systems/system.ts';
import { type Caller, grpcCaller, restCaller } from './calls.ts';

const IN_FLIGHT = 32;
const SAMPLE = 100;

export async function prefill(system: System): Promise<void> {
  const caller = await restCaller(system, IN_FLIGHT);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < KEYS) await caller.call('put', keyName(next++));
  };
  try {
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  } finally {
    caller.close();
  }
}

/** Throws at the first call that fails or answers anything but the value. */
export async function checkSample(system: System): Promise<void> {
  for (const caller of [await restCaller(system, 1), await grpcCaller(system)]) {
    try {
      await checkCalls(caller);
    } finally {
      caller.close();
    }
  }
}

async function checkCalls(caller: Caller): Promise<void> {
  for (let call = 0; call < SAMPLE; call++) {
    for (const operation of Operations) {
      caller.check(operation, await caller.call(operation, randomKey()));
    }
  }
}
