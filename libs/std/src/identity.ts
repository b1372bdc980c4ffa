/**
 * The positions and names that every layer shares, as branded types with asserting constructors:
 * a `Term` cannot be passed where a `LogIndex` is meant, and none of them leaves 0..2^53-1.
 */
import { assert } from './assert.ts';

declare const brand: unique symbol;
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };

/** Position in the log of one group. The first entry has index 1; 0 is "before the log". */
export type LogIndex = Branded<number, 'LogIndex'>;
/** Raft term, from 1; 0 is "before any term". */
export type Term = Branded<number, 'Term'>;
/** Grows by one per mutating command of a namespace group; 0 is "nothing written yet". */
export type Revision = Branded<number, 'Revision'>;
/** Hash chain over the log, 53 bits: see `chain.ts`. 0 is the chain before the first entry. */
export type Chain = Branded<number, 'Chain'>;
/** Milliseconds since the Unix epoch as stamped by the leader ("log time"). */
export type LogTimeMs = Branded<number, 'LogTimeMs'>;
/** A member: `[a-z0-9][a-z0-9-]{0,31}`, one consensus and one storage. */
export type NodeId = Branded<string, 'NodeId'>;

export function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

export function logIndex(value: number): LogIndex {
  assert(isCount(value), 'log index out of range');
  return value as LogIndex;
}

export function term(value: number): Term {
  assert(isCount(value), 'term out of range');
  return value as Term;
}

export function revision(value: number): Revision {
  assert(isCount(value), 'revision out of range');
  return value as Revision;
}

export function chain(value: number): Chain {
  assert(isCount(value), 'chain out of range');
  return value as Chain;
}

export function logTimeMs(value: number): LogTimeMs {
  assert(isCount(value), 'log time out of range');
  return value as LogTimeMs;
}

const NODE_ID = /^[a-z0-9][a-z0-9-]{0,31}$/;

export function isNodeId(value: string): value is NodeId {
  return NODE_ID.test(value);
}

export function nodeId(value: string): NodeId {
  assert(isNodeId(value), 'node id must match [a-z0-9][a-z0-9-]{0,31}');
  return value;
}

/** A place in the log, with the chain up to and including it: what a replica has applied. */
export interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
  readonly chain: Chain;
}

export const LOG_START: LogPosition = { index: logIndex(0), term: term(0), chain: chain(0) };
