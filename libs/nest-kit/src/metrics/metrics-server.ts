/**
 * `/metrics` on a port of its own, in Prometheus' text format, by OpenTelemetry's exporter.
 *
 * The exporter's own server is not used: it takes port 0 for "unset" and answers every path with a
 * full collection before it looks at limits. The registry enters as a `MetricProducer`, so no meter,
 * view or aggregation of the SDK runs.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { listenError } from '../start-error.ts';
import type { MetricFamily, MetricRegistry, Series } from './metric-registry.ts';

type Producer = NonNullable<
  NonNullable<ConstructorParameters<typeof PrometheusExporter>[0]>['metricProducers']
>[number];
type Collection = Awaited<ReturnType<Producer['collect']>>;
type Metric = Collection['resourceMetrics']['scopeMetrics'][number]['metrics'][number];

export class MetricsServer {
  readonly #registry: MetricRegistry;
  #server: Server | undefined;

  constructor(registry: MetricRegistry) {
    this.#registry = registry;
  }

  /** Resolves with the bound port; throws `StartError` when it cannot be had. */
  async listen(host: string, port: number): Promise<number> {
    const exporter = await exporterOf(this.#registry);
    const server = createServer((request, response) => {
      const path = request.url?.split('?')[0];
      if (path !== '/metrics') response.writeHead(404).end();
      else if (request.method !== 'GET') response.writeHead(405, { allow: 'GET' }).end();
      else exporter.getMetricsRequestHandler(request, response);
    });
    await new Promise<void>((resolve, reject) => {
      const refuse = (error: Error): void => reject(listenError(error, 'metrics_port', host, port));
      server.once('error', refuse);
      server.listen(port, host, () => {
        server.off('error', refuse);
        resolve();
      });
    });
    this.#server = server;
    return (server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

async function exporterOf(registry: MetricRegistry): Promise<PrometheusExporter> {
  // Why here: loading it takes longer than starting the server, and a test may never ask for it.
  const prometheus = await import('@opentelemetry/exporter-prometheus');
  const exporter = new prometheus.PrometheusExporter({
    preventServerStart: true,
    withoutScopeInfo: true,
    withoutTargetInfo: true,
  });
  exporter.setMetricProducer(producerOf(registry));
  return exporter;
}

// Numeric values of the enums DataPointType and AggregationTemporality of sdk-metrics, whose
// package is a dependency of the exporter and not ours.
const POINT_TYPE = { histogram: 0, gauge: 2, counter: 3 } as const;
const CUMULATIVE = 1;
const DOUBLE = 1;
const UNTIMED: [number, number] = [0, 0];

function producerOf(registry: MetricRegistry): Producer {
  return {
    collect: () => {
      const metrics = registry.families().map(toMetric);
      const collection = {
        resourceMetrics: {
          resource: { attributes: {} },
          scopeMetrics: [{ scope: { name: 'kvstore' }, metrics }],
        },
        errors: [],
      };
      // Why the cast: `Resource` is an interface with methods that the serializer never calls.
      return Promise.resolve(collection as unknown as Collection);
    },
  };
}

function toMetric(family: MetricFamily): Metric {
  const metric = {
    descriptor: { name: family.name, description: family.help, unit: '', valueType: DOUBLE },
    aggregationTemporality: CUMULATIVE,
    dataPointType: POINT_TYPE[family.kind],
    isMonotonic: true,
    dataPoints: family.series.map(toDataPoint),
  };
  return metric as unknown as Metric;
}

function toDataPoint(series: Series): object {
  const point = { startTime: UNTIMED, endTime: UNTIMED, attributes: series.labels };
  if (!('histogram' in series)) return { ...point, value: series.value };
  const { bounds, counts, sum } = series.histogram;
  const count = counts.reduce((total, bucket) => total + bucket, 0);
  return { ...point, value: { buckets: { boundaries: bounds, counts }, sum, count } };
}
