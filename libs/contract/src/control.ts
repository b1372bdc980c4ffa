/**
 * The control plane: rare questions between processes, asked and answered in JSON inside frames, so
 * that people can read them. Served through Nest's message patterns; asked by `askControl`.
 */
import { createHash } from 'node:crypto';
import { type NodeId, decodeUtf8, DecodeError, encodeUtf8, term } from '@kvstore/std';
import { type Bus, BusError } from './bus.ts';
import { type FrameCodec, FrameKind } from './frame.ts';

/**
 * The id of a cluster, in the form of a UUID: a hash of its founders' disks, equal for all who found
 * it together.
 */
export function clusterIdOf(founders: Readonly<Record<NodeId, string>>): string {
  const disks = Object.entries(founders)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([node, disk]) => `${node}=${disk}`);
  const hex = createHash('sha256').update(disks.join(' ')).digest('hex');
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)];
  return [...parts, hex.slice(20, 32)].join('-');
}

/** A number that a cluster's id determines, for frames: its first 52 bits. */
export function clusterTagOf(clusterId: string): number {
  return Number.parseInt(clusterId.replaceAll('-', '').slice(0, 13), 16);
}

export function encodeControl(body: unknown): Uint8Array {
  return encodeUtf8(JSON.stringify(body));
}

/** An object, whose fields are its receiver's to look at. Throws `DecodeError`. */
export function decodeControl(body: Uint8Array): object {
  const value = parse(decodeUtf8(body));
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new DecodeError('a control body is no object');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw new DecodeError('a control body is not JSON');
    throw error;
  }
}

/**
 * Asks one process over the control plane. Undefined when nobody answers in time. The answer is
 * authentic, so its shape is that of the build that sent it.
 */
export async function askControl<Answer>(
  bus: Bus,
  frames: FrameCodec,
  subject: string,
  request: unknown,
  timeoutMs: number,
): Promise<Answer | undefined> {
  const answer = await requestControl<Answer>(bus, frames, subject, request, timeoutMs);
  return typeof answer === 'string' ? undefined : answer;
}

/**
 * 'not-sent': certainly nobody saw the question. 'no-answer': somebody may have acted on it. An answer that
 * `decode` refuses is none; without it, its shape is that of the build that sent it.
 */
export async function requestControl<Answer>(
  bus: Bus,
  frames: FrameCodec,
  subject: string,
  request: unknown,
  timeoutMs: number,
  decode: (body: Uint8Array) => Answer = (body) => decodeControl(body) as Answer,
): Promise<Answer | 'not-sent' | 'no-answer'> {
  const frame = frames.seal(FrameKind.controlRequest, term(0), encodeControl(request));
  try {
    const answer = await bus.request(subject, frame, timeoutMs);
    const received = frames.receive(answer, FrameKind.controlReply, decode);
    return received === undefined ? 'no-answer' : received.body;
  } catch (error) {
    if (error instanceof BusError) return error.code === 'TIMEOUT' ? 'no-answer' : 'not-sent';
    throw error;
  }
}
