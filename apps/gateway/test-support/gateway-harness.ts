/** A gateway over a `MemoryKvClient` on a free port, with helpers that check what every answer owes. */
import { connect } from 'node:net';
import { MemoryBus } from '@kvstore/bus';
import { FrameCodec, SenderRole, Subjects } from '@kvstore/contract';
import {
  ControlTransport,
  HealthRegistry,
  KvLogger,
  MetricRegistry,
  Self,
  type HttpLimits,
  type Problem,
} from '@kvstore/nest-kit';
import { Gateway } from '../src/gateway.ts';
import { MemoryKvClient } from './memory-kv-client.ts';

/** Which edge reads a request about a key; any other one comes to node:http. */
export type HttpEdge = 'hot' | 'node';

export class GatewayHarness {
  readonly client = new MemoryKvClient();
  readonly metrics = new MetricRegistry();
  readonly health = new HealthRegistry();
  readonly logged: string[] = [];
  readonly log = new KvLogger('warn', { write: (line) => this.logged.push(line) });
  #gateway: Gateway | undefined;

  async start(httpLimits: Partial<HttpLimits> = {}): Promise<this> {
    this.#gateway = await Gateway.start({
      host: '127.0.0.1',
      httpPort: 0,
      grpcPort: 0,
      client: { useFactory: () => this.client },
      identity: {
        cluster: 'dev',
        group: 'g0',
        gateway: 'gateway-1',
        version: '0.1.0',
        nats: () => null,
      },
      self: new Self('gateway', 'gateway-1'),
      control: testControl(this.log),
      metrics: this.metrics,
      health: this.health,
      log: this.log,
      httpLimits,
    });
    return this;
  }

  get gateway(): Gateway {
    if (this.#gateway === undefined) throw new Error('the gateway is not started');
    return this.#gateway;
  }

  async close(): Promise<void> {
    await this.gateway.close(1_000);
  }

  /** `path` is sent as it is; `fetch` would normalise it. */
  request(path: string, init: RequestOptions = {}, edge: HttpEdge = 'hot'): Promise<Answer> {
    return rawRequest(this.gateway.httpPort, path, init, edge);
  }

  put(
    path: string,
    body: string | Uint8Array = 'v',
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    return this.request(path, { method: 'PUT', body, headers });
  }

  /** Sends bytes as they are and collects what comes until the server closes. */
  async exchange(bytes: string | Uint8Array): Promise<string> {
    return (await exchange(this.gateway.httpPort, Buffer.from(bytes as string, 'latin1'))).toString(
      'latin1',
    );
  }
}

/** A control plane of the gateway on a bus of its own. */
export function testControl(log: KvLogger): ControlTransport {
  const role = SenderRole.gateway;
  const sender = { role, name: 'gateway-1', incarnation: 1 };
  const secret = new Uint8Array(32);
  const frames = new FrameCodec({ cluster: 'dev', group: 'g0', secret, sender });
  return new ControlTransport({
    bus: new MemoryBus(),
    subjects: new Subjects('dev', 'g0'),
    services: { [role]: { name: 'gateway-1', frames } },
    log,
  });
}

export interface RequestOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly text: string;
  json<T = Record<string, unknown>>(): T;
}

/** A request that announces the end of its connection is none for the hot edge. */
async function rawRequest(
  port: number,
  path: string,
  init: RequestOptions,
  edge: HttpEdge,
): Promise<Answer> {
  const { method = 'GET', headers = {}, body } = init;
  const bytes = body === undefined ? Buffer.alloc(0) : Buffer.from(body as string);
  const lines = [`${method} ${path} HTTP/1.1`, 'host: test'];
  if (edge === 'node') lines.push('connection: close');
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (body !== undefined) lines.push(`content-length: ${bytes.length}`);
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  const answer = await exchange(port, Buffer.concat([head, bytes]), (chunks) =>
    isWhole(Buffer.concat(chunks), method),
  );
  return parseAnswer(answer);
}

function isWhole(bytes: Buffer, method: string): boolean {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return false;
  const { headers, body } = parseAnswer(bytes);
  return method === 'HEAD' || body.length >= Number(headers['content-length'] ?? 0);
}

function exchange(
  port: number,
  bytes: Buffer,
  isEnough: (chunks: readonly Buffer[]) => boolean = () => false,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1');
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (isEnough(chunks)) socket.destroy();
    });
    socket.once('error', reject);
    socket.once('close', () => resolve(Buffer.concat(chunks)));
    socket.write(bytes);
  });
}

export function parseAnswer(bytes: Buffer): Answer {
  const end = bytes.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  );
  const body = bytes.subarray(end + 4);
  const text = body.toString('utf8');
  return {
    status: Number(statusLine.split(' ')[1]),
    headers,
    body,
    text,
    json: <T>() => JSON.parse(text) as T,
  };
}

/** Asserts that the answer is a whole problem document, and returns it. */
export function problemOf(answer: Answer): Problem {
  expect(answer.headers['content-type']).toBe('application/problem+json');
  const problem = answer.json<Problem>();
  expect(problem.status).toBe(answer.status);
  expect(problem.type).toBe(`urn:kvstore:error:${problem.code}`);
  expect(problem.request_id).toBe(answer.headers['x-request-id']);
  expect(problem.title).not.toBe('');
  expect(problem.detail).not.toMatch(/Error:|\/src\/|node_modules/);
  return problem;
}
