/** The few words of the NATS protocol that show what a user may do. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { eventually } from '@kvstore/testing';

export class NatsClient {
  readonly #socket: Socket;
  #received = '';

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => (this.#received += chunk.toString()));
  }

  /** Resolves when the server has accepted or refused the user. */
  static async connect(port: number, user: string, password: string): Promise<NatsClient> {
    const socket = connect(port, '127.0.0.1');
    const client = new NatsClient(socket);
    await once(socket, 'connect');
    client.send(`CONNECT ${JSON.stringify({ verbose: false, user, pass: password })}`, 'PING');
    await client.received(/PONG|-ERR/);
    return client;
  }

  send(...lines: readonly string[]): void {
    this.#socket.write(`${lines.join('\r\n')}\r\n`);
  }

  /** Everything that came so far. */
  get text(): string {
    return this.#received;
  }

  async received(pattern: RegExp): Promise<void> {
    await eventually(`${pattern} in ${this.#received}`, () => pattern.test(this.#received));
  }

  /** What the server says to the lines, up to its answer to a ping after them. */
  async answerTo(...lines: readonly string[]): Promise<string> {
    this.#received = '';
    this.send(...lines, 'PING');
    await this.received(/PONG/);
    return this.#received.replace('PONG\r\n', '');
  }

  close(): void {
    this.#socket.destroy();
  }
}
