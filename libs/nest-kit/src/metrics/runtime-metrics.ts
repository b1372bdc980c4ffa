/**
 * What the process itself costs: CPU, memory, event-loop delay and utilisation, under the names that
 * Prometheus' own client libraries use. The delay is sampled by libuv's timer every 200 ms, so that
 * an idle process stays idle, and its quantiles cover the time since the last scrape.
 */
import { monitorEventLoopDelay, performance as runtime } from 'node:perf_hooks';
import type { MetricRegistry } from './metric-registry.ts';

const QUANTILES = ['0.5', '0.99', '0.999'] as const;
const RESOLUTION_MS = 500;

/** Returns the function that stops the sampling. */
export function observeRuntime(registry: MetricRegistry): () => void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  registry.observe(
    'gauge',
    'nodejs_eventloop_delay_seconds',
    'Event-loop delay since the last scrape.',
    () => {
      const quantiles = QUANTILES.map((quantile) => ({
        value: Math.max(0, delay.percentile(Number(quantile) * 100) / 1e9 - RESOLUTION_MS / 1e3),
        labels: { quantile },
      }));
      const max = {
        value: Math.max(0, delay.max / 1e9 - RESOLUTION_MS / 1e3),
        labels: { quantile: '1' },
      };
      delay.reset();
      return [...quantiles, max];
    },
  );
  registry.gauge(
    'nodejs_eventloop_utilization_ratio',
    'Share of time the event loop was busy since the process started.',
    () => runtime.eventLoopUtilization().utilization,
  );
  observeProcess(registry);
  return () => delay.disable();
}

function observeProcess(registry: MetricRegistry): void {
  registry.observe('counter', 'process_cpu_seconds_total', 'CPU time used.', () => {
    const { user, system } = process.cpuUsage();
    return [
      { value: user / 1e6, labels: { mode: 'user' } },
      { value: system / 1e6, labels: { mode: 'system' } },
    ];
  });
  registry.observe('gauge', 'nodejs_memory_bytes', 'Memory by use, of this process.', () => {
    const memory = process.memoryUsage();
    return [
      { value: memory.heapUsed, labels: { kind: 'heap_used' } },
      { value: memory.heapTotal, labels: { kind: 'heap_total' } },
      { value: memory.external, labels: { kind: 'external' } },
      { value: memory.arrayBuffers, labels: { kind: 'array_buffers' } },
    ];
  });
  registry.gauge('process_resident_memory_bytes', 'Resident memory.', () =>
    process.memoryUsage.rss(),
  );
  const startedSeconds = (Date.now() - performance.now()) / 1000;
  registry.gauge(
    'process_start_time_seconds',
    'Start of the process, Unix time.',
    () => startedSeconds,
  );
}
