/** Who answers as the consensus of a node that is to be added. */
import {
  type Bus,
  ControlOperation,
  type FrameCodec,
  type MemberHello,
  requestHello,
  SenderRole,
  type Subjects,
} from '@kvstore/contract';
import type { NodeId } from '@kvstore/std';

export interface HelloOptions {
  readonly bus: Bus;
  readonly frames: FrameCodec;
  readonly subjects: Subjects;
}

const ANSWER_MS = 500;

/** Undefined when nobody answers in time. */
export async function askHello(
  { bus, frames, subjects }: HelloOptions,
  node: NodeId,
): Promise<MemberHello | undefined> {
  const subject = subjects.control(SenderRole.consensus, node, ControlOperation.hello);
  // A process answers everybody but itself, and no process calls itself this.
  const hello = await requestHello(bus, frames, subject, 'sequencer', ANSWER_MS);
  return hello?.member;
}
