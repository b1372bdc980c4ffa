import 'reflect-metadata';
import { GatewayHarness, problemOf } from '../../test-support/gateway-harness.ts';

let gateway: GatewayHarness;

beforeAll(async () => {
  gateway = await new GatewayHarness().start();
});

afterAll(() => gateway.close());

test('the status is JSON with a request id, for any client that accepts it', async () => {
  for (const accept of ['*/*', 'application/json', 'text/html, application/*;q=0.5']) {
    const answer = await gateway.request('/api/v1/admin/status', { headers: { accept } });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.headers['x-request-id']).toBeDefined();
    expect(answer.json()).toMatchObject({
      cluster_id: null,
      groups: [{ group: 'g0' }],
      features_off: ['nats'],
    });
  }
});

test('its timeout reaches the cluster', async () => {
  await gateway.request('/api/v1/admin/status?timeout=2s');
  expect(gateway.client.lastTimeoutMs).toBe(2_000);
  expect(problemOf(await gateway.request('/api/v1/admin/status?timeout=2h')).code).toBe(
    'INVALID_ARGUMENT',
  );
});

test('readiness is the cluster’s, liveness is not', async () => {
  expect((await gateway.request('/readyz')).json()).toEqual({ status: 'ok' });
  gateway.client.notReady = 'no leader elected yet';
  expect(problemOf(await gateway.request('/readyz'))).toMatchObject({
    status: 503,
    code: 'UNAVAILABLE',
    detail: 'cluster: no leader elected yet',
  });
  expect((await gateway.request('/livez')).status).toBe(200);
  gateway.client.notReady = undefined;
});
