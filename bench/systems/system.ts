/** A system under load, whatever it is made of: how to ask it, where, and what its processes are. */
import type { NamedProcess } from '../measure/process-usage.ts';
import type { Dialect } from './dialect.ts';

export interface Endpoints {
  /** `http://address:port` */
  readonly http: string;
  /** `address:port` */
  readonly grpc: string;
}

export interface System {
  readonly name: string;
  /** What it is, for the report: product, version, members. */
  readonly title: string;
  readonly dialect: Dialect;
  /** Everything that runs for it now. */
  processes(): readonly NamedProcess[];
  /** Where load goes now. */
  endpoints(): Promise<Endpoints>;
  /** Its Prometheus pages that count requests. */
  metricsUrls(): readonly string[];
}
