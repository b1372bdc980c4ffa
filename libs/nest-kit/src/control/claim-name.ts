/**
 * One process per name: asks whether another one answers to it. A process that runs already keeps
 * its name; of two that start at the same time the one with the lower random number does.
 *
 * What this catches is two nodes that were given one id, which no lock on a directory can see. It
 * rests on an answer in time and is no part of safety: votes are kept apart by the founders' disks.
 */
import {
  type Bus,
  ControlOperation,
  type FrameCodec,
  requestHello,
  type Subjects,
} from '@kvstore/contract';
import { StartError } from '../start-error.ts';
import type { Self } from './self.ts';

const ANSWER_MS = 300;

/** Throws `StartError` NAME_IN_USE. This process must answer `hello` already. */
export async function claimName(
  bus: Bus,
  frames: FrameCodec,
  subjects: Subjects,
  self: Self,
): Promise<void> {
  const subject = subjects.control(self.role, self.name, ControlOperation.hello);
  const other = await requestHello(bus, frames, subject, self.process, ANSWER_MS);
  if (other !== undefined && (other.running || other.process < self.process)) {
    throw new StartError(
      'NAME_IN_USE',
      `another ${self.role} process runs as ${self.name} in this cluster`,
      'Give each member and each gateway a name of its own, or stop the other process.',
    );
  }
  self.run();
}
