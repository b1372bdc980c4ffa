/** A client that speaks frames: what no well-behaved client sends can be sent, and what comes is seen. */
import { connect, type Socket } from 'node:net';
import { HeaderDecoder } from '../hpack/header-decoder.ts';
import { encodeHeaders } from '../hpack/header-encoder.ts';
import { Flag, FrameType } from './protocol.ts';

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export function frame(
  type: number,
  flags: number,
  id: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

export function settings(...entries: readonly (readonly [number, number])[]): Buffer {
  const payload = Buffer.alloc(entries.length * 6);
  for (const [i, [id, value]] of entries.entries()) {
    payload.writeUInt16BE(id, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  }
  return frame(FrameType.settings, 0, 0, payload);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export const REQUEST: Readonly<Record<string, string>> = {
  ':method': 'POST',
  ':scheme': 'http',
  ':path': '/test.Test/Echo',
  ':authority': 'test',
  'content-type': 'application/grpc',
  te: 'trailers',
};

export function headers(
  id: number,
  fields: Readonly<Record<string, string>> = REQUEST,
  flags: number = Flag.endHeaders,
): Buffer {
  const list = Object.entries(fields).map(([name, value]) => ({ name, value }));
  return frame(FrameType.headers, flags, id, encodeHeaders(list));
}

/** A message with its prefix as DATA that ends the stream. */
export function message(id: number, bytes: Uint8Array, flags: number = Flag.endStream): Buffer {
  return frame(FrameType.data, flags, id, Buffer.concat([prefix(bytes.length), bytes]));
}

export function prefix(length: number, flag = 0): Buffer {
  const bytes = Buffer.alloc(5);
  bytes[0] = flag;
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

export class RawClient {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  readonly #decoder = new HeaderDecoder({ tableBytesMax: 4_096, listBytesMax: 1 << 20 });
  readonly #waiting = new Set<() => void>();
  #bytes = Buffer.alloc(0);
  closed = false;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.closed = true;
      for (const check of this.#waiting) check();
    });
  }

  /** Preface and empty SETTINGS, unless others are given. */
  greet(...entries: readonly (readonly [number, number])[]): this {
    this.send(PREFACE, settings(...entries));
    return this;
  }

  send(...parts: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** The first frame, past or to come, that fits. */
  async next(fits: (frame: Frame) => boolean): Promise<Frame> {
    const found = (): Frame | undefined => this.frames.find(fits);
    await this.until(() => found() !== undefined || this.closed);
    const frame = found();
    if (frame === undefined) throw new Error('the connection closed before the frame came');
    return frame;
  }

  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!holds()) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      check();
    });
  }

  /** The code of GOAWAY once the server has closed the connection. */
  async goaway(): Promise<number | undefined> {
    await this.until(() => this.closed);
    const last = this.frames.findLast(({ type }) => type === FrameType.goaway);
    return last?.payload.readUInt32BE(4);
  }

  async reset(id: number): Promise<number> {
    const frame = await this.next((each) => each.type === FrameType.rstStream && each.id === id);
    return frame.payload.readUInt32BE(0);
  }

  /** Header fields and messages of a whole response. */
  async response(id: number): Promise<{ fields: Record<string, string>; body: Buffer }> {
    const ofStream = (each: Frame): boolean => each.id === id;
    await this.next((each) => ofStream(each) && each.type < 2 && (each.flags & 1) !== 0);
    const fields: Record<string, string> = {};
    const parts: Buffer[] = [];
    for (const { type, payload } of this.frames.filter(ofStream)) {
      if (type === FrameType.data) parts.push(payload);
      if (type !== FrameType.headers) continue;
      for (const { name, value } of this.#decoder.decode(payload, 0, payload.length).fields) {
        fields[name] = value;
      }
    }
    return { fields, body: Buffer.concat(parts) };
  }

  /** Whether the connection still works, by a PING. */
  async ping(): Promise<void> {
    const payload = Buffer.alloc(8, this.frames.length & 0xff);
    const isAnswer = (each: Frame): boolean => each.type === FrameType.ping && each.flags === 1;
    const before = this.frames.filter(isAnswer).length;
    this.send(frame(FrameType.ping, 0, 0, payload));
    await this.until(() => this.closed || this.frames.filter(isAnswer).length > before);
    if (this.closed) throw new Error('the connection is closed');
  }

  close(): void {
    this.socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    while (this.#bytes.length >= 9) {
      const length = this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < 9 + length) break;
      this.frames.push({
        type: this.#bytes[3] as number,
        flags: this.#bytes[4] as number,
        id: this.#bytes.readUInt32BE(5),
        payload: this.#bytes.subarray(9, 9 + length),
      });
      this.#bytes = this.#bytes.subarray(9 + length);
    }
    for (const check of this.#waiting) check();
  }
}
