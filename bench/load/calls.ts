/** Single calls of a system over REST and gRPC, with their answers checked. */
import { Agent, request } from 'node:http';
import { Client, credentials } from '@grpc/grpc-js';
import { type Operation, VALUE } from '../systems/dialect.ts';
import type { System } from '../systems/system.ts';

/** Rejects when the call fails; whether the answer is right is told by `check`. */
export interface Caller {
  call(operation: Operation, key: string): Promise<Buffer>;
  /** Throws unless a GET's answer holds the value that every key has. */
  check(operation: Operation, reply: Buffer): void;
  close(): void;
}

/** HTTP/1.1 on kept connections. */
export async function restCaller(system: System, connections: number): Promise<Caller> {
  const { http } = await system.endpoints();
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  return {
    call: (operation, key) => exchange(http, agent, system.dialect.rest(operation, key)),
    check: (operation, reply) => {
      if (operation === 'get') assertValue(system, 'REST', system.dialect.restValue(reply));
    },
    close: () => agent.destroy(),
  };
}

/** One connection. */
export async function grpcCaller(system: System): Promise<Caller> {
  const { grpc } = await system.endpoints();
  const client = new Client(grpc, credentials.createInsecure());
  const same = (bytes: Buffer): Buffer => bytes;
  return {
    call(operation, key) {
      const { path, encode } = system.dialect.grpc(operation);
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest(path, same, same, encode(key), (error, reply) => {
          if (error === null && reply !== undefined) resolve(reply);
          else reject(new Error(`${system.name}: ${path} failed`, { cause: error }));
        });
      });
    },
    check: (operation, reply) => {
      if (operation === 'get') assertValue(system, 'gRPC', system.dialect.grpc('get').value(reply));
    },
    close: () => client.close(),
  };
}

function assertValue(system: System, protocol: string, value: Buffer | undefined): void {
  if (value !== undefined && VALUE.equals(value)) return;
  throw new Error(`${system.name}: a GET over ${protocol} did not answer the value that was put`);
}

function exchange(
  http: string,
  agent: Agent,
  { method, path, body }: { readonly method: string; readonly path: string; readonly body: string },
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const headers = body === '' ? {} : { 'content-length': Buffer.byteLength(body) };
    const sent = request(`${http}${path}`, { method, agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const reply = Buffer.concat(chunks);
        const status = response.statusCode ?? 0;
        if (status >= 200 && status < 300) resolve(reply);
        else reject(new Error(`${method} ${http}${path} answered ${status}: ${reply.toString()}`));
      });
    });
    sent.once('error', reject);
    sent.end(body);
  });
}
