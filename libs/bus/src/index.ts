/** bus: adapters of the `Bus` port. In one process: `MemoryBus`. */
export { MemoryBus } from './memory-bus.ts';
export type { Delivery } from './memory-bus.ts';
