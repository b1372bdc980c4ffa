import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { planPorts, type PortPlan } from './port-plan.ts';

const bases = {
  nodes: 3,
  gateways: 2,
  nats: 3,
  host: '127.0.0.1',
  httpPort: 0,
  grpcPort: 0,
  metricsPort: 0,
  natsPort: 0,
};

function allPorts({ gateways, consensus, storage, nats }: PortPlan): readonly number[] {
  return [
    ...gateways.flatMap(({ http, grpc, metrics }) => [http, grpc, metrics]),
    ...[...consensus, ...storage].map(({ metrics }) => metrics),
    ...nats.flatMap(({ client, route }) => (route === undefined ? [client] : [client, route])),
  ];
}

/** The start of a run of free ports, with free ones for routes above them. */
async function freeBase(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const base = (await planPorts(bases)).gateways[0]!.http;
    const plans = [{ metricsPort: base }, { natsPort: base }];
    const tried = await Promise.allSettled(plans.map((plan) => planPorts({ ...bases, ...plan })));
    if (tried.every(({ status }) => status === 'fulfilled')) return base;
  }
  throw new Error('no run of free ports in 100 tries');
}

test('a base gives every process the next number, gateways first', async () => {
  const base = await freeBase();
  const plan = await planPorts({ ...bases, metricsPort: base });
  expect(plan.gateways.map(({ metrics }) => metrics)).toEqual([base, base + 1]);
  expect(plan.consensus.map(({ metrics }) => metrics)).toEqual([base + 2, base + 3, base + 4]);
  expect(plan.storage.map(({ metrics }) => metrics)).toEqual([base + 5, base + 6, base + 7]);
});

test('a base of 0 gives everyone a port of its own that is free', async () => {
  const ports = allPorts(await planPorts(bases));
  expect(ports).toHaveLength(18);
  expect(new Set(ports).size).toBe(18);
  expect(Math.min(...ports)).toBeGreaterThanOrEqual(10_000);
});

test('a free port is none that another base gives to a process', async () => {
  const base = await freeBase();
  const offered = [base, base + 1, base + 2000, base + 2002];
  const plan = await planPorts(
    { ...bases, natsPort: base },
    (low, high) => offered.shift() ?? randomInt(low, high),
  );
  expect(offered).toEqual([]);
  expect(new Set(allPorts(plan)).size).toBe(18);
});

test('routes exist only between nats-servers, 2000 above their ports', async () => {
  expect((await planPorts({ ...bases, nats: 1 })).nats[0]!.route).toBeUndefined();
  const base = await freeBase();
  const { nats } = await planPorts({ ...bases, natsPort: base });
  expect(nats.map(({ client, route }) => [client, route])).toEqual([
    [base, base + 2000],
    [base + 1, base + 2001],
    [base + 2, base + 2002],
  ]);
});

test('two processes on one port are refused by their flags', async () => {
  const base = await freeBase();
  await expect(planPorts({ ...bases, httpPort: base, grpcPort: base + 1 })).rejects.toThrow(
    `port ${base + 1} would be of gateway-2 (--http-port) and of gateway-1 (--grpc-port)`,
  );
});

test('a port above the last one is refused', async () => {
  await expect(planPorts({ ...bases, natsPort: 65_000 })).rejects.toThrow(
    'nats-1 would get port 67000: choose a lower --nats-port',
  );
});

test('a port in use, and an address that the machine does not have, are refused', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  await expect(planPorts({ ...bases, natsPort: port })).rejects.toThrow(
    `port ${port} of nats-1 is in use`,
  );
  other.close();
  await expect(planPorts({ ...bases, host: '192.0.2.1' })).rejects.toThrow(
    /gateway-1 cannot listen on 192\.0\.2\.1:\d+ \(EADDRNOTAVAIL\)/,
  );
});
