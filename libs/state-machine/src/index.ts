/**
 * state-machine: what entries of the log mean. Keys with versions and history, conditions, time to
 * live by log time, sessions and idempotency keys for exactly-once, over an `OrderedStore`.
 *
 * Start at `StateMachine.apply`; DESIGN.md tells the rest.
 */
export type {
  Batch,
  Command,
  Condition,
  DeleteCommand,
  KeepAliveCommand,
  MalformedCommand,
  PutCommand,
  RegisterSessionCommand,
  Tag,
} from './command.ts';
export type { ReadResult } from './keyspace.ts';
export { filterPrefixLength } from './ordered-keys.ts';
export type { KeyBounds, KeyValue, OrderedStore } from './ordered-store.ts';
export { decodeOutcomes, encodeOutcomes } from './outcome-codec.ts';
export { RejectCode } from './outcome.ts';
export type { BatchOutcome, Outcome } from './outcome.ts';
export { AppliedResult, StateMachine } from './state-machine.ts';
export type { AppliedEntry, StateMachineOptions, Statistics } from './state-machine.ts';
export { decodeRecord, encodeValueRecord } from './stored-record.ts';
export type {
  StoredRecord,
  TombstoneCause,
  TombstoneRecord,
  ValueRecord,
} from './stored-record.ts';
