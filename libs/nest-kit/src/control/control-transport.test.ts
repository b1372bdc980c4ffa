/** The control plane over a real bus: Nest's patterns, authentic frames only, one process per name. */
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { MemoryBus } from '@kvstore/bus';
import { askControl, FrameCodec, type Hello, type HelloRequest, Subjects } from '@kvstore/contract';
import { KvLogger } from '../logger.ts';
import { ServiceApp } from '../process/service-app.ts';
import { claimName } from './claim-name.ts';
import { controlPattern, ControlTransport } from './control-transport.ts';
import { Self } from './self.ts';

const subjects = new Subjects('dev', 'g0');
const logged: string[] = [];
const log = new KvLogger('warn', { write: (line) => logged.push(line) });

function codec(name = 'node-1', secretByte = 1): FrameCodec {
  const sender = { role: 'storage', name, incarnation: 1 } as const;
  return new FrameCodec({
    cluster: 'dev',
    group: 'g0',
    secret: new Uint8Array(32).fill(secretByte),
    sender,
  });
}

async function start(bus: MemoryBus, self: Self, frames = codec()): Promise<ServiceApp> {
  @Controller()
  class StorageControl {
    @MessagePattern(controlPattern('storage', 'hello'))
    hello(@Payload() request: HelloRequest): Hello | undefined {
      return self.hello(request);
    }

    @MessagePattern(controlPattern('storage', 'status'))
    status(): never {
      throw new Error('no status today');
    }
  }
  @Module({ controllers: [StorageControl] })
  class Root {}
  const services = { storage: { name: self.name, frames } };
  return ServiceApp.start(Root, new ControlTransport({ bus, subjects, services, log }), log);
}

describe('the control plane', () => {
  let bus: MemoryBus;
  const apps: ServiceApp[] = [];

  beforeEach(() => {
    bus = new MemoryBus();
  });
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
    await bus.close();
    logged.length = 0;
  });

  const hello = (frames: FrameCodec, process = 'asker'): Promise<Hello | undefined> =>
    askControl(bus, frames, subjects.control('storage', 'node-1', 'hello'), { process }, 100);

  test('answers who a process is', async () => {
    const self = new Self('storage', 'node-1');
    apps.push(await start(bus, self));
    expect(await hello(codec('node-2'))).toEqual({
      role: 'storage',
      name: 'node-1',
      process: self.process,
      running: false,
    });
    self.run();
    expect(await hello(codec('node-2'))).toMatchObject({ running: true });
  });

  test('does not answer itself, nor a frame that is not authentic, which it counts', async () => {
    const self = new Self('storage', 'node-1');
    const frames = codec();
    apps.push(await start(bus, self, frames));
    expect(await hello(codec(), self.process)).toBeUndefined();
    expect(await hello(codec('node-2', 2))).toBeUndefined();
    bus.publish(subjects.control('storage', 'node-1', 'hello'), Buffer.from('random bytes'));
    expect(await hello(codec('node-2'))).toBeDefined();
    expect(Object.fromEntries(frames.refused)).toMatchObject({ mac: 1 });
    expect([...frames.refused.values()].reduce((a, b) => a + b, 0)).toBe(2);
  });

  test('a handler that fails gives no answer and one log line, and others go on', async () => {
    apps.push(await start(bus, new Self('storage', 'node-1')));
    const status = subjects.control('storage', 'node-1', 'status');
    expect(await askControl(bus, codec('node-2'), status, {}, 50)).toBeUndefined();
    expect(logged.filter((line) => line.includes('control request failed'))).toHaveLength(1);
    expect(await hello(codec('node-2'))).toBeDefined();
  });

  test('stops answering when its application closes', async () => {
    const app = await start(bus, new Self('storage', 'node-1'));
    await app.close();
    expect(await hello(codec('node-2'))).toBeUndefined();
  });

  test('a name is free once, and who runs keeps it', async () => {
    const [first, second] = [new Self('storage', 'node-1'), new Self('storage', 'node-1')];
    apps.push(await start(bus, first));
    await claimName(bus, codec(), subjects, first);
    apps.push(await start(bus, second));
    await expect(claimName(bus, codec(), subjects, second)).rejects.toMatchObject({
      code: 'NAME_IN_USE',
    });
  });

  test('of two that start together exactly one gets the name', async () => {
    const both = [new Self('storage', 'node-1'), new Self('storage', 'node-1')];
    for (const self of both) apps.push(await start(bus, self));
    const claims = await Promise.allSettled(
      both.map((self) => claimName(bus, codec(), subjects, self)),
    );
    expect(claims.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });
});
