/** The administrative routes of a running cluster, at whichever gateway answers. */
import type { MembersDocument } from '@kvstore/gateway';
import type { GatewayEntry } from './cluster-file.ts';
import { CommandError } from './command-error.ts';

export type Members = MembersDocument;
export type Member = Members['members'][number];

interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly reason?: string;
}

/** What the cluster refused. */
export class Refused extends CommandError {
  readonly code: string;
  /** Of a refusal for which the code does not say what a program needs to know. */
  readonly reason: string | undefined;

  constructor(code: string, detail: string, reason?: string) {
    super(detail);
    this.code = code;
    this.reason = reason;
  }
}

const TIMEOUT_S = 15;

export class AdminClient {
  readonly #gateways: readonly GatewayEntry[];

  constructor(gateways: readonly GatewayEntry[]) {
    this.#gateways = gateways;
  }

  list(): Promise<Members> {
    return this.#ask('GET', 'members');
  }

  add(node: string): Promise<Members> {
    return this.#ask('POST', 'members', { node });
  }

  remove(node: string): Promise<Members> {
    return this.#ask('DELETE', `members/${node}`);
  }

  transfer(node: string): Promise<Members> {
    return this.#ask('POST', 'leader', { node });
  }

  /** Throws `Refused`, or `CommandError` when no gateway answers. */
  async #ask(method: string, path: string, body?: unknown): Promise<Members> {
    for (const { http } of this.#gateways) {
      const answer = await this.#askOne(`${http}/api/v1/admin/${path}?timeout=${TIMEOUT_S}s`, {
        method,
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      if (answer !== undefined) return answer;
    }
    throw new CommandError('no gateway of the cluster answers');
  }

  async #askOne(url: string, init: RequestInit): Promise<Members | undefined> {
    let response: Response;
    try {
      response = await fetch(url, {
        ...init,
        signal: AbortSignal.timeout((TIMEOUT_S + 5) * 1_000),
      });
    } catch {
      return undefined;
    }
    const answer: unknown = await response.json();
    if (response.ok) return answer as Members;
    const { code, detail, reason } = answer as Problem;
    throw new Refused(code, `the cluster refuses (${code}): ${detail}`, reason);
  }
}
