/** Every decoder of this lib, from bytes of a peer that means harm. */
import { join } from 'node:path';
import { hostileBytes } from '@kvstore/testing';
import { BufferBudget, MessageReader } from './grpc/message-reader.ts';
import { HeaderDecoder } from './hpack/header-decoder.ts';
import { encodeHeaders } from './hpack/header-encoder.ts';
import { HpackError } from './hpack/hpack-error.ts';
import { decodeHuffman } from './hpack/huffman.ts';
import { FrameParser } from './http2/frame-parser.ts';
import { ConnectionError } from './http2/protocol.ts';
import { frame, PREFACE } from './http2/raw-client.test-support.ts';
import { checkRequestFields, checkTrailers } from './http2/request-fields.ts';
import { PeerSettings } from './http2/settings.ts';

const corpus = join(import.meta.dirname, '../testdata/hostile');
const ofHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

// RFC 7541, C.3.1 and C.4.1, and a list whose last fields are of the table that the first ones filled.
hostileBytes('header block', {
  samples: [
    '828684410f7777772e6578616d706c652e636f6d',
    '828684418cf1e3c2e5f23a6ba0ab90f4ff',
    '400161016240016301647f0003616263bebf0f0d0133',
  ].map(ofHex),
  decode: (bytes) => {
    const decoder = new HeaderDecoder({ tableBytesMax: 4_096, listBytesMax: 16_384 });
    const { fields } = decoder.decode(Buffer.from(bytes), 0, bytes.length);
    checkRequestFields(fields);
    checkTrailers(fields);
    return fields;
  },
  encode: encodeHeaders,
  refusals: [HpackError],
  isOpenEnded: true,
  isLenient: true,
  corpus,
});

hostileBytes('huffman text', {
  samples: [ofHex('f1e3c2e5f23a6ba0ab90f4ff'), ofHex('a8eb10649cbf')],
  decode: (bytes) => {
    const out = new Uint8Array(Math.ceil((bytes.length * 8) / 5));
    const length = decodeHuffman(bytes, 0, bytes.length, out);
    if (length > out.length) throw new Error('more than there is room for');
    return out.subarray(0, length);
  },
  refusals: [HpackError],
  isOpenEnded: true,
  corpus,
});

const frames = Buffer.concat([
  PREFACE,
  frame(4, 0, 0, Buffer.alloc(0)),
  frame(1, 4, 1, Buffer.from('0123456789')),
  frame(0, 1, 1, Buffer.alloc(30, 7)),
]);
hostileBytes('frames', {
  samples: [Uint8Array.from(frames)],
  decode: (bytes) => {
    let payloads = 0;
    const parser = new FrameParser((_type, _flags, _id, _bytes, start, end) => {
      payloads += end - start;
    });
    // In two chunks, so that a frame is held.
    const half = bytes.length >>> 1;
    parser.push(Buffer.from(bytes.subarray(0, half)));
    parser.push(Buffer.from(bytes.subarray(half)));
    if (payloads > bytes.length) throw new Error('more bytes than came');
    return payloads;
  },
  refusals: [ConnectionError],
  isOpenEnded: true,
  corpus,
});

hostileBytes('settings', {
  samples: [ofHex('0003000000640004000100000005000040000002000000000009ffffffff')],
  decode: (bytes) => new PeerSettings().apply(Buffer.from(bytes), 0, bytes.length),
  refusals: [ConnectionError],
  isOpenEnded: true,
  corpus,
});

const prefixed = (...bodies: readonly string[]): Uint8Array =>
  Uint8Array.from(
    Buffer.concat(
      bodies.map((body) => {
        const prefix = Buffer.alloc(5);
        prefix.writeUInt32BE(body.length, 1);
        return Buffer.concat([prefix, Buffer.from(body)]);
      }),
    ),
  );
hostileBytes('messages', {
  samples: [prefixed('one', '', 'three')],
  decode: (bytes) => {
    const seen: number[] = [];
    let refused: string | undefined;
    const sink = {
      holds: false,
      message: (message: Buffer) => void seen.push(message.length),
      refused: ({ message }: { readonly message: string }) => (refused = message),
    };
    const reader = new MessageReader(sink, 1 << 20, new BufferBudget(4 << 20));
    const half = bytes.length >>> 1;
    reader.push(Buffer.from(bytes), 0, half);
    reader.push(Buffer.from(bytes), half, bytes.length);
    return refused ?? seen;
  },
  refusalOf: (seen) => (typeof seen === 'string' ? seen : undefined),
  isOpenEnded: true,
  corpus,
});
