/**
 * `hello` is what every process answers over the control plane: who it is, and for a consensus what its disk
 * holds. Names are claimed with it and clusters are founded with it, so it is looked at field by field.
 */
import { DecodeError, isNodeId, type NodeId } from '@kvstore/std';
import type { Bus } from './bus.ts';
import { decodeControl, requestControl } from './control.ts';
import { type FrameCodec, SenderRole } from './frame.ts';

/** A request names the asking process, so that it does not answer itself. */
export interface HelloRequest {
  readonly process: string;
}

export interface Hello {
  readonly role: SenderRole;
  readonly name: string;
  /** Random, of one start of one process. */
  readonly process: string;
  /** False while it is still claiming its name. */
  readonly running: boolean;
  /** Of a consensus only. */
  readonly member?: MemberHello;
}

export interface MemberHello {
  /** Random, made with the data directory and kept in it. */
  readonly disk: string;
  /** Undefined: this disk has never taken part in a cluster. */
  readonly clusterId: string | undefined;
  /** The disks that founded the cluster, once it is founded. */
  readonly founders: Readonly<Record<NodeId, string>> | undefined;
  /** The disks of members that were admitted later, and ids that never return, by what is committed here. */
  readonly admitted?: Readonly<Record<NodeId, string>>;
  readonly removed?: readonly NodeId[];
}

/** Undefined when nobody answers in time, or what answers is no hello. `process`: of the asking one. */
export async function requestHello(
  bus: Bus,
  frames: FrameCodec,
  subject: string,
  process: string,
  timeoutMs: number,
): Promise<Hello | undefined> {
  const request: HelloRequest = { process };
  const answer = await requestControl(bus, frames, subject, request, timeoutMs, decodeHello);
  return typeof answer === 'string' ? undefined : answer;
}

type Fields<Value> = { readonly [Name in keyof Value]?: unknown };

/** Throws `DecodeError`. Fields that this build does not know are dropped. */
export function decodeHello(body: Uint8Array): Hello {
  const { role, name, process, running, member } = decodeControl(body) as Fields<Hello>;
  const known = Object.values(SenderRole).find((each) => each === role);
  const isWhole =
    typeof name === 'string' && typeof process === 'string' && typeof running === 'boolean';
  if (known === undefined || !isWhole) throw new DecodeError('not a hello');
  const hello = { role: known, name, process, running };
  return member === undefined ? hello : { ...hello, member: memberOf(member) };
}

function memberOf(value: unknown): MemberHello {
  if (typeof value !== 'object' || value === null) throw new DecodeError('not a member');
  const { disk, clusterId, founders, admitted, removed } = value as Fields<MemberHello>;
  if (typeof disk !== 'string') throw new DecodeError('a member without a disk');
  if (clusterId !== undefined && typeof clusterId !== 'string') {
    throw new DecodeError('not the id of a cluster');
  }
  return {
    disk,
    clusterId,
    founders: founders === undefined ? undefined : disksOf(founders),
    ...(admitted === undefined ? {} : { admitted: disksOf(admitted) }),
    ...(removed === undefined ? {} : { removed: nodesOf(removed) }),
  };
}

function disksOf(value: unknown): Readonly<Record<NodeId, string>> {
  if (typeof value !== 'object' || value === null) throw new DecodeError('not disks by node');
  const isWhole = Object.entries(value).every(
    ([node, disk]) => isNodeId(node) && typeof disk === 'string',
  );
  if (!isWhole || Array.isArray(value)) throw new DecodeError('not disks by node');
  return value as Readonly<Record<NodeId, string>>;
}

function nodesOf(value: unknown): readonly NodeId[] {
  const isWhole = (nodes: readonly unknown[]): nodes is NodeId[] =>
    nodes.every((node) => typeof node === 'string' && isNodeId(node));
  if (!Array.isArray(value) || !isWhole(value)) throw new DecodeError('not a list of nodes');
  return value;
}
