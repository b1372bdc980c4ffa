import { InvariantError } from '@kvstore/std';
import { Histogram, MetricRegistry } from './metric-registry.ts';
import { MetricsServer } from './metrics-server.ts';
import { OperationMetrics } from './request-metrics.ts';
import { observeRuntime } from './runtime-metrics.ts';

async function scrape(
  registry: MetricRegistry,
  path = '/metrics',
  method = 'GET',
): Promise<Response & { body: unknown }> {
  const server = new MetricsServer(registry);
  const port = await server.listen('127.0.0.1', 0);
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
  const text = await response.text();
  await server.close();
  return Object.assign(response, { text: () => Promise.resolve(text) });
}

describe('histograms', () => {
  test('a value is counted under the first bound it does not pass', () => {
    const histogram = new Histogram([1, 2, 5]);
    for (const value of [0, 1, 1.5, 2, 5, 6]) histogram.record(value);
    expect(histogram.counts).toEqual([2, 2, 1, 1]);
    expect(histogram.sum).toBe(15.5);
  });

  test('bounds that do not ascend are a bug', () => {
    expect(() => new Histogram([1, 1])).toThrow(InvariantError);
  });
});

describe('registry', () => {
  test('the same name and labels are one series, in any order of labels', () => {
    const registry = new MetricRegistry();
    const first = registry.counter('kvstore_things_total', 'Things.', { a: '1', b: '2' });
    const again = registry.counter('kvstore_things_total', 'Things.', { b: '2', a: '1' });
    expect(again).toBe(first);
    expect(registry.counter('kvstore_things_total', 'Things.', { a: '2', b: '2' })).not.toBe(first);
  });

  test('one name cannot have two kinds', () => {
    const registry = new MetricRegistry();
    registry.gauge('kvstore_x', 'X.', () => 1);
    expect(() => registry.histogram('kvstore_x', 'X.', [1])).toThrow(InvariantError);
  });

  test('a counter is named as Prometheus expects', () => {
    expect(() => new MetricRegistry().counter('kvstore_things', 'Things.')).toThrow(InvariantError);
  });
});

describe('/metrics', () => {
  test('serves every kind under its literal name, and only the labels given', async () => {
    const registry = new MetricRegistry();
    registry.counter('kvstore_leader_elections_total', 'Elections.').add(3);
    registry.gauge('kvstore_raft_term', 'Term.', () => 7, { group: 'g0' });
    registry.gauge('kvstore_absent', 'Not measured now.', () => undefined);
    registry.observedCounter('kvstore_storage_flushes_total', 'Flushes.', () => 2);
    registry
      .histogram('kvstore_request_duration_seconds', 'Time.', [0.1, 1], { op: 'get' })
      .record(0.5);
    const text = await (await scrape(registry)).text();
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines.sort()).toEqual([
      'kvstore_leader_elections_total 3',
      'kvstore_raft_term{group="g0"} 7',
      'kvstore_request_duration_seconds_bucket{op="get",le="+Inf"} 1',
      'kvstore_request_duration_seconds_bucket{op="get",le="0.1"} 0',
      'kvstore_request_duration_seconds_bucket{op="get",le="1"} 1',
      'kvstore_request_duration_seconds_count{op="get"} 1',
      'kvstore_request_duration_seconds_sum{op="get"} 0.5',
      'kvstore_storage_flushes_total 2',
    ]);
    expect(text).toContain('# TYPE kvstore_request_duration_seconds histogram');
    expect(text).toContain('# HELP kvstore_raft_term Term.');
  });

  test('requests are counted by protocol, operation and code', async () => {
    const registry = new MetricRegistry();
    const put = new OperationMetrics(registry, 'rest', 'put');
    put.record('OK', performance.now());
    put.record('OK', performance.now());
    put.record('CONDITION_FAILED', performance.now());
    const text = await (await scrape(registry)).text();
    expect(text).toMatch(
      /kvstore_request_duration_seconds_count\{protocol="rest",op="put",code="OK"\} 2\n/,
    );
    expect(text).toMatch(
      /kvstore_request_duration_seconds_count\{protocol="rest",op="put",code="CONDITION_FAILED"\} 1\n/,
    );
  });

  test('the runtime is observed', async () => {
    const registry = new MetricRegistry();
    const stop = observeRuntime(registry);
    const text = await (await scrape(registry)).text();
    stop();
    for (const name of [
      'process_cpu_seconds_total{mode="user"}',
      'process_resident_memory_bytes',
      'nodejs_memory_bytes{kind="heap_used"}',
      'nodejs_eventloop_delay_seconds{quantile="0.99"}',
    ]) {
      const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
      expect(Number(line?.split(' ').at(-1))).toBeGreaterThanOrEqual(0);
    }
  });

  test('nothing else is served', async () => {
    expect((await scrape(new MetricRegistry(), '/')).status).toBe(404);
    expect((await scrape(new MetricRegistry(), '/metrics', 'POST')).status).toBe(405);
  });

  test('a port in use is a start error that names the option', async () => {
    const first = new MetricsServer(new MetricRegistry());
    const port = await first.listen('127.0.0.1', 0);
    await expect(
      new MetricsServer(new MetricRegistry()).listen('127.0.0.1', port),
    ).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringContaining('metrics_port') as string,
    });
    await first.close();
  });
});
