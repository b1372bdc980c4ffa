/**
 * How a system is asked for the same work: put a value under a key, read it back linearizably, over
 * REST and over gRPC. Everything that a load generator sends is made here.
 */
import type { AnswerSeries } from '../measure/answers.ts';

export const VALUE_BYTES = 128;
export const KEYS = 10_000;
export const VALUE = Buffer.alloc(VALUE_BYTES, 'v');

export const Operations = ['put', 'get'] as const;
export type Operation = (typeof Operations)[number];

export interface RestRequest {
  readonly method: 'PUT' | 'GET' | 'POST';
  readonly path: string;
  readonly body: string;
}

export interface GrpcMethod {
  readonly path: string;
  readonly encode: (key: string) => Buffer;
  /** The value in the answer; undefined: the answer holds none. */
  readonly value: (reply: Buffer) => Buffer | undefined;
}

export interface Dialect {
  readonly answers: AnswerSeries;
  rest(operation: Operation, key: string): RestRequest;
  /** The value in the body of a GET's answer; undefined: the answer holds none. */
  restValue(body: Buffer): Buffer | undefined;
  grpc(operation: Operation): GrpcMethod;
}

export function keyName(index: number): string {
  return `key-${index}`;
}

export function randomKey(): string {
  return keyName(Math.floor(Math.random() * KEYS));
}
