/** bus: adapters of the `Bus` port. In one process: `MemoryBus`. Between processes: `NatsBus`. */
export { MemoryBus } from './memory-bus.ts';
export type { Delivery } from './memory-bus.ts';
export { NatsBus } from './nats-bus.ts';
export type { BusCounters, BusEvent, NatsBusOptions } from './nats-bus.ts';
export { BusConnectError } from './nats-connect.ts';
export type { BusConnectErrorCode, NatsServerInfo } from './nats-connect.ts';
