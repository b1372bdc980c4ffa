/**
 * The frame around every message on the bus.
 *
 *   u8 version · u8 kind · u64 incarnation · u64 term · u8+cluster · u8+group · u8+sender
 *   · u32+body · 16 bytes MAC
 *
 * The MAC is HMAC-SHA-256 over all that precedes it under the cluster's secret, cut to 128 bits.
 * A receiver refuses another version, cluster or group, a sender whose role may not send this kind,
 * and a wrong MAC; a refused frame is counted by reason and otherwise ignored.
 */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import {
  assert,
  ByteReader,
  ByteWriter,
  DecodeError,
  decodeUtf8,
  encodeUtf8,
  type Term,
  term,
} from '@kvstore/std';

const VERSION = 1;
const MAC_BYTES = 16;

export const SenderRole = {
  consensus: 'consensus',
  storage: 'storage',
  gateway: 'gateway',
} as const;
export type SenderRole = (typeof SenderRole)[keyof typeof SenderRole];

/** Kinds on the wire, each with the only roles that may send it. Numbers are never reused. */
export const FrameKind = {
  propose: 1,
  proposeReply: 2,
  readIndex: 3,
  readIndexReply: 4,
  pull: 5,
  pullReply: 6,
  raft: 7,
  live: 8,
  mark: 9,
  beacon: 10,
  outcomes: 11,
  outcomesQuery: 12,
  read: 13,
  readReply: 14,
  // 15 to 17 were the status of the first version.
  controlRequest: 18,
  controlReply: 19,
  archive: 20,
  snapshotRequest: 21,
  snapshotReply: 22,
} as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

const EVERY_ROLE = Object.values(SenderRole);

const sendersOf: Readonly<Record<FrameKind, readonly SenderRole[]>> = {
  [FrameKind.propose]: ['gateway'],
  [FrameKind.proposeReply]: ['consensus'],
  [FrameKind.readIndex]: ['gateway'],
  [FrameKind.readIndexReply]: ['consensus'],
  [FrameKind.pull]: ['storage'],
  [FrameKind.pullReply]: ['consensus'],
  [FrameKind.raft]: ['consensus'],
  [FrameKind.live]: ['consensus'],
  [FrameKind.mark]: ['consensus'],
  [FrameKind.beacon]: ['storage'],
  [FrameKind.outcomes]: ['storage'],
  [FrameKind.outcomesQuery]: ['gateway'],
  [FrameKind.read]: ['gateway'],
  [FrameKind.readReply]: ['storage'],
  [FrameKind.controlRequest]: EVERY_ROLE,
  [FrameKind.controlReply]: EVERY_ROLE,
  [FrameKind.archive]: ['consensus'],
  [FrameKind.snapshotRequest]: ['storage'],
  [FrameKind.snapshotReply]: ['storage'],
};

export interface Sender {
  readonly role: SenderRole;
  /** Node id of a consensus or storage, name of a gateway. */
  readonly name: string;
  /** Grows with every start of this sender. */
  readonly incarnation: number;
}

export interface Frame {
  readonly kind: FrameKind;
  readonly sender: Sender;
  /** The sender's Raft term as far as it knows; 0 when it knows none. */
  readonly term: Term;
  /** A view into the frame's bytes. */
  readonly body: Uint8Array;
}

export const FrameRefusal = {
  malformed: 'malformed',
  version: 'version',
  cluster: 'cluster',
  kind: 'kind',
  role: 'role',
  mac: 'mac',
  /** Authentic, but of a cluster of the same name that was founded apart from this one. */
  foreign: 'foreign',
  /** Authentic, but of an earlier start of its sender. */
  former: 'former',
} as const;
export type FrameRefusal = (typeof FrameRefusal)[keyof typeof FrameRefusal];

export interface FrameIdentity {
  readonly cluster: string;
  readonly group: string;
  readonly sender: Sender;
  /** At least 16 bytes. */
  readonly secret: Uint8Array;
}

/** Seals and opens the frames of one sender in one group. */
export class FrameCodec {
  /** Why a key object: from bytes, every MAC would first make one, at several times its cost. */
  readonly #secret: KeyObject;
  readonly #cluster: Uint8Array;
  readonly #group: Uint8Array;
  readonly #sender: Uint8Array;
  readonly #identity: FrameIdentity;
  readonly #refused = new Map<FrameRefusal, number>();

  constructor(identity: FrameIdentity) {
    assert(identity.secret.length >= 16, 'cluster secret under 16 bytes');
    this.#identity = identity;
    this.#secret = createSecretKey(identity.secret);
    this.#cluster = encodeUtf8(identity.cluster);
    this.#group = encodeUtf8(identity.group);
    this.#sender = encodeUtf8(`${identity.sender.role}/${identity.sender.name}`);
  }

  /** Frames refused so far, by reason. */
  get refused(): ReadonlyMap<FrameRefusal, number> {
    return this.#refused;
  }

  seal(kind: FrameKind, atTerm: Term, body: Uint8Array): Uint8Array {
    assert(
      sendersOf[kind].includes(this.#identity.sender.role),
      'this role may not send this kind',
    );
    const names = this.#cluster.length + this.#group.length + this.#sender.length;
    const writer = new ByteWriter(1 + 1 + 8 + 8 + 3 + names + 4 + body.length + MAC_BYTES)
      .u8(VERSION)
      .u8(kind)
      .u64(this.#identity.sender.incarnation)
      .u64(atTerm)
      .bytes8(this.#cluster)
      .bytes8(this.#group)
      .bytes8(this.#sender)
      .bytes32(body);
    writer.raw(this.#mac(writer.view()));
    return writer.finish();
  }

  /** The frame, or undefined when it is refused. `kinds`: what this receiver takes here. */
  open(bytes: Uint8Array, ...kinds: readonly FrameKind[]): Frame | undefined {
    const result = this.#open(bytes, kinds);
    if (typeof result !== 'string') return result;
    this.#refuse(result);
    return undefined;
  }

  /**
   * The frame and its decoded body, or undefined when the frame is refused. An authentic frame with
   * a body that cannot be decoded is of a faulty build: refused as malformed.
   */
  receive<Body>(
    bytes: Uint8Array,
    kind: FrameKind,
    decode: (body: Uint8Array) => Body,
  ): { readonly frame: Frame; readonly body: Body } | undefined {
    const frame = this.open(bytes, kind);
    if (frame === undefined) return undefined;
    try {
      return { frame, body: decode(frame.body) };
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#refuse(FrameRefusal.malformed);
      return undefined;
    }
  }

  /** Counts a frame that its receiver refuses for what is in its body. */
  refuse(reason: FrameRefusal): void {
    this.#refuse(reason);
  }

  #refuse(reason: FrameRefusal): void {
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1);
  }

  #open(bytes: Uint8Array, kinds: readonly FrameKind[]): Frame | FrameRefusal {
    const reader = new ByteReader(bytes);
    try {
      if (reader.u8() !== VERSION) return FrameRefusal.version;
      const kind = reader.u8() as FrameKind;
      if (!kinds.includes(kind)) return FrameRefusal.kind;
      const incarnation = reader.u64();
      const atTerm = term(reader.u64());
      if (!sameBytes(reader.bytes8(), this.#cluster)) return FrameRefusal.cluster;
      if (!sameBytes(reader.bytes8(), this.#group)) return FrameRefusal.cluster;
      const [role, name] = decodeUtf8(reader.bytes8()).split('/', 2);
      const body = reader.bytes32();
      const mac = this.#mac(bytes.subarray(0, reader.offset));
      const claimed = reader.raw(MAC_BYTES);
      reader.end();
      if (!timingSafeEqual(mac, claimed)) return FrameRefusal.mac;
      const sender = sendersOf[kind].find((allowed) => allowed === role);
      if (sender === undefined || name === undefined) return FrameRefusal.role;
      return { kind, sender: { role: sender, name, incarnation }, term: atTerm, body };
    } catch (error) {
      if (error instanceof DecodeError) return FrameRefusal.malformed;
      throw error;
    }
  }

  #mac(bytes: Uint8Array): Uint8Array {
    return createHmac('sha256', this.#secret).update(bytes).digest().subarray(0, MAC_BYTES);
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
