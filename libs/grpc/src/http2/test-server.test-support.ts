/** A server with one method each that answers its message, keeps its call, and answers as much as it is asked for. */
import { RpcServer } from '../grpc/rpc-server.ts';
import type { UnaryCall } from '../grpc/unary-call.ts';
import type { Http2Limits } from './limits.ts';
import { RawClient, REQUEST } from './raw-client.test-support.ts';

export const HOLD = { ...REQUEST, ':path': '/test.Test/Hold' };
/** Its message is the length of the answer. */
export const LARGE = { ...REQUEST, ':path': '/test.Test/Large' };

export class TestServer {
  readonly rpc: RpcServer;
  port = 0;
  /** Calls of Hold. */
  readonly held: UnaryCall[] = [];
  /** Calls of Echo and Large. */
  answered = 0;
  readonly #clients: RawClient[] = [];

  private constructor(limits: Partial<Http2Limits>) {
    this.rpc = new RpcServer({
      messageBytesMax: 24 * 1024 * 1024,
      bufferedBytesMax: 64 * 1024 * 1024,
      limits,
      onError: (error) => {
        throw error;
      },
    });
    this.rpc.unary('/test.Test/Echo', (bytes, call) => {
      this.answered++;
      call.respond(bytes);
    });
    this.rpc.unary('/test.Test/Hold', (_bytes, call) => this.held.push(call));
    this.rpc.unary('/test.Test/Large', (bytes, call) => {
      this.answered++;
      call.respond(Buffer.alloc(bytes.readUInt32BE(0), 1));
    });
  }

  static async start(limits: Partial<Http2Limits> = {}): Promise<TestServer> {
    const server = new TestServer(limits);
    server.port = await server.rpc.listen('127.0.0.1', 0);
    return server;
  }

  /** It has not greeted yet. */
  client(): RawClient {
    const client = new RawClient(this.port);
    this.#clients.push(client);
    return client;
  }

  async end(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.rpc.close(0);
  }
}
