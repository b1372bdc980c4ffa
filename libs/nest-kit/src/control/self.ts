/** Who this process is, as it answers `hello`: of one start of one process. */
import { randomBytes } from 'node:crypto';
import type { Hello, HelloRequest, MemberHello, SenderRole } from '@kvstore/contract';

export class Self {
  readonly role: SenderRole;
  readonly name: string;
  /** Tells two processes of one name apart. */
  readonly process = randomBytes(8).toString('hex');
  readonly #member: (() => MemberHello) | undefined;
  #running = false;

  constructor(role: SenderRole, name: string, member?: () => MemberHello) {
    this.role = role;
    this.name = name;
    this.#member = member;
  }

  /** The name is claimed: whoever comes later with the same one has to go. */
  run(): void {
    this.#running = true;
  }

  /** Undefined when the question is this process's own. */
  hello(request: HelloRequest): Hello | undefined {
    if (request.process === this.process) return undefined;
    const { role, name, process } = this;
    const hello = { role, name, process, running: this.#running };
    return this.#member === undefined ? hello : { ...hello, member: this.#member() };
  }
}
