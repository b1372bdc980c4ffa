/**
 * `kvstore_request_duration_seconds{protocol,op,code}`: one histogram per operation and outcome,
 * resolved once, so that a request costs one map lookup and two additions.
 */
import type { ErrorCode } from '@kvstore/contract';
import type { Histogram, MetricRegistry } from './metric-registry.ts';

export type RequestCode = 'OK' | ErrorCode;

const NAME = 'kvstore_request_duration_seconds';
const HELP = 'Time from the arrival of a request to its answer.';
const BOUNDS_SECONDS = [
  0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60,
];

export class OperationMetrics {
  readonly #create: (code: RequestCode) => Histogram;
  readonly #byCode = new Map<RequestCode, Histogram>();

  constructor(registry: MetricRegistry, protocol: 'rest' | 'grpc', op: string) {
    this.#create = (code) => registry.histogram(NAME, HELP, BOUNDS_SECONDS, { protocol, op, code });
  }

  /** `startedMs` as `performance.now()` gave it. */
  record(code: RequestCode, startedMs: number): void {
    let histogram = this.#byCode.get(code);
    if (histogram === undefined) {
      histogram = this.#create(code);
      this.#byCode.set(code, histogram);
    }
    histogram.record((performance.now() - startedMs) / 1000);
  }
}
