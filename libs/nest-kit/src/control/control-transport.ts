/**
 * The control plane for Nest: message patterns `<role>.<operation>` are served on the subjects of this
 * process over a `Bus`, in frames like everything else. A frame that is not authentic never reaches a
 * handler; a handler that returns undefined gives no answer.
 */
import { type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import {
  type Bus,
  type BusMessage,
  type BusSubscription,
  ControlOperation,
  decodeControl,
  encodeControl,
  type FrameCodec,
  FrameKind,
  SenderRole,
  type Subjects,
} from '@kvstore/contract';
import { assert, term } from '@kvstore/std';
import { firstValueFrom, isObservable } from 'rxjs';
import type { EventLog } from '../logger.ts';

export interface ControlTransportOptions {
  readonly bus: Bus;
  readonly subjects: Subjects;
  /** One per role that this process plays, with the name it plays it under. */
  readonly services: Readonly<Partial<Record<SenderRole, ControlService>>>;
  readonly log: EventLog;
}

export interface ControlService {
  readonly name: string;
  readonly frames: FrameCodec;
}

export class ControlTransport extends Server implements CustomTransportStrategy {
  readonly #options: ControlTransportOptions;
  readonly #subscriptions: BusSubscription[] = [];

  constructor(options: ControlTransportOptions) {
    super();
    this.#options = options;
  }

  listen(callback: () => void): void {
    for (const [pattern, handler] of this.messageHandlers) this.#serve(pattern, handler);
    callback();
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  /** The bus reports its own events. */
  on(): void {}

  unwrap<T>(): T {
    return this.#options.bus as T;
  }

  #serve(pattern: string, handler: MessageHandler): void {
    const { bus, subjects, services } = this.#options;
    const { role, operation } = parsePattern(pattern);
    const service = services[role];
    assert(service !== undefined, `pattern ${pattern} of a role that this process does not play`);
    const subject = subjects.control(role, service.name, operation);
    this.#subscriptions.push(
      bus.subscribe(subject, (message) => {
        this.#answer(message, service.frames, handler).catch((error: unknown) => {
          this.#options.log.event('error', 'control request failed', { pattern, err: error });
        });
      }),
    );
  }

  async #answer(message: BusMessage, frames: FrameCodec, handler: MessageHandler): Promise<void> {
    const request = frames.receive(message.payload, FrameKind.controlRequest, decodeControl)?.body;
    if (request === undefined) return;
    const result: unknown = await handler(request);
    const answer: unknown = isObservable(result) ? await firstValueFrom(result) : result;
    if (answer === undefined) return;
    message.respond(frames.seal(FrameKind.controlReply, term(0), encodeControl(answer)));
  }
}

/** The pattern of an operation, for `@MessagePattern`. */
export function controlPattern(role: SenderRole, operation: ControlOperation): string {
  return `${role}.${operation}`;
}

function parsePattern(pattern: string): {
  readonly role: SenderRole;
  readonly operation: ControlOperation;
} {
  const [head, tail] = pattern.split('.', 2);
  const role = Object.values(SenderRole).find((each) => each === head);
  const operation = Object.values(ControlOperation).find((each) => each === tail);
  assert(role !== undefined && operation !== undefined, `unknown control pattern ${pattern}`);
  return { role, operation };
}
