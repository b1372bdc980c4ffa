/** Everything a store holds, in its order, as one number. */
import { type OrderedStore } from '@kvstore/state-machine';
import { xxh32 } from '@kvstore/std';

const EVERYTHING = { from: new Uint8Array(0) };

export function hashOf(store: Pick<OrderedStore, 'scan'>): string {
  let hash = 0;
  let pairs = 0;
  for (const { key, value } of store.scan(EVERYTHING)) {
    hash = xxh32(value, xxh32(key, hash));
    pairs += 1;
  }
  return `${pairs}:${hash.toString(16)}`;
}
