/**
 * What consensus tells others (I19, S1, S2): entries that it serves, marks, answers to proposals and
 * granted read indexes.
 */
import {
  decodeLive,
  decodeMark,
  decodeProposeReply,
  decodePullReply,
  decodeReadIndexReply,
  FrameKind,
  type LogEntry,
  RefusalReason,
} from '@kvstore/contract';
import type { NodeId } from '@kvstore/std';
import { type FaultAtlas, FaultClass } from '../world/fault-atlas.ts';
import type { SimProcess } from '../world/sim-process.ts';
import type { PeekedFrame } from './frame-bytes.ts';
import type { Ghost } from './ghost.ts';
import type { Ledger } from './ledger.ts';
import type { MembershipInvariants } from './membership-invariants.ts';

export class ServiceInvariants {
  readonly #ghost: Ghost;
  readonly #ledger: Ledger;
  readonly #members: MembershipInvariants;
  readonly #atlas: FaultAtlas;
  /** What was acknowledged when a read index was asked for. */
  readonly #askedAt = new Map<string, number>();

  constructor(ghost: Ghost, ledger: Ledger, members: MembershipInvariants, atlas: FaultAtlas) {
    this.#members = members;
    this.#atlas = atlas;
    this.#ghost = ghost;
    this.#ledger = ledger;
  }

  /** `commitIndex`: the sender's own. */
  sent(
    from: SimProcess,
    { kind, body }: PeekedFrame,
    exchange: string | undefined,
    commitIndex: number,
  ): void {
    switch (kind) {
      case FrameKind.live:
        this.#served(from, [decodeLive(body).entry], commitIndex);
        return;
      case FrameKind.pullReply:
        this.#served(from, decodePullReply(body).entries, commitIndex);
        return;
      case FrameKind.mark:
        this.#marked(from, body);
        return;
      case FrameKind.proposeReply:
        this.#answered(from, body);
        return;
      case FrameKind.readIndex:
        this.#askedAt.set(exchange as string, this.#ghost.acknowledgedIndex);
        return;
      case FrameKind.readIndexReply:
        this.#granted(from, body, exchange as string);
        return;
      default:
    }
  }

  #served(from: SimProcess, entries: readonly LogEntry[], commitIndex: number): void {
    for (const { index, chain } of entries) {
      const isCommitted = this.#ghost.committed[index - 1]?.chain === chain;
      this.#ledger.expect('S1', isCommitted && index <= commitIndex, () => {
        return `${from.machine} serves entry ${index}, its commit index is ${commitIndex}, ${isCommitted ? '' : 'and it is not committed'}`;
      });
    }
  }

  #marked(from: SimProcess, body: Uint8Array): void {
    const { commitIndex, chain, cutPoint } = decodeMark(body);
    this.#members.marked(from.machine as NodeId, cutPoint);
    this.#ledger.expect('S2', this.#ghost.committed[commitIndex - 1]?.chain === chain, () => {
      return `${from.machine} marks ${commitIndex}, which is not committed so`;
    });
  }

  #answered(from: SimProcess, body: Uint8Array): void {
    const reply = decodeProposeReply(body);
    if (reply.kind === 'refused' && reply.reason === RefusalReason.diskFull) {
      this.#atlas.count(FaultClass.diskFullRefusal);
    }
    if (reply.kind !== 'committed') return;
    this.#ledger.expect('I15', reply.index <= this.#ghost.committed.length, () => {
      return `${from.machine} acknowledges entry ${reply.index}, which is not committed`;
    });
    this.#ghost.acknowledgedIndex = Math.max(this.#ghost.acknowledgedIndex, reply.index);
  }

  #granted(from: SimProcess, body: Uint8Array, exchange: string): void {
    const reply = decodeReadIndexReply(body);
    if (reply.kind !== 'granted') return;
    const asked = this.#askedAt.get(exchange) ?? 0;
    this.#ledger.expect('I19', reply.index >= asked, () => {
      return `${from.machine} grants a read at ${reply.index} that was asked for when ${asked} was acknowledged`;
    });
  }
}
