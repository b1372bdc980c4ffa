/** The REST API over kept HTTP/1.1 connections of one client. */
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import type { DeleteOperation, GetOperation, PutOperation, WriteCondition } from '@kvstore/testing';
import {
  CLIENT_TIMEOUT_MS,
  conditionFailed,
  type PutCall,
  REQUEST_TIMEOUT_MS,
  type StoreClient,
  unanswered,
  undecided,
} from './store-client.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

type Problem = Readonly<Record<string, unknown>> & { readonly code: string };

export class RestClient implements StoreClient {
  readonly protocol = 'rest';
  readonly #base: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(base: string) {
    this.#base = base;
  }

  async put({ key, value, condition, idempotencyKey }: PutCall): Promise<PutOperation['result']> {
    const headers = {
      ...conditionHeaders(condition),
      ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
    };
    const answer = await this.#exchange('PUT', key, headers, value).catch(unanswered);
    if ('kind' in answer) return answer;
    if (answer.status !== 200 && answer.status !== 201) return refused(answer);
    const { version, revision } = JSON.parse(answer.body) as {
      readonly version: number;
      readonly revision: number;
    };
    return { kind: 'written', version, revision };
  }

  async delete(key: string, condition?: WriteCondition): Promise<DeleteOperation['result']> {
    const headers = conditionHeaders(condition);
    const answer = await this.#exchange('DELETE', key, headers).catch(unanswered);
    if ('kind' in answer) return answer;
    if (answer.status !== 204) return refused(answer);
    return { kind: 'deleted', revision: Number(answer.headers['kv-revision']) };
  }

  async get(key: string): Promise<GetOperation['result']> {
    const answer = await this.#exchange('GET', key, {}).catch(unanswered);
    if ('kind' in answer) return { kind: 'not-applied', code: answer.code };
    if (answer.status === 200) return foundIn(answer);
    const problem = problemOf(answer);
    if (problem.code === 'KEY_NOT_FOUND') {
      return { kind: 'not-found', revision: Number(problem['revision']) };
    }
    return { kind: 'not-applied', code: undecided(problem.code).code };
  }

  close(): void {
    this.#agent.destroy();
  }

  #exchange(
    method: string,
    key: string,
    headers: Readonly<Record<string, string>>,
    body = '',
  ): Promise<Answer> {
    const url = `${this.#base}/api/v1/keys/${encodeURIComponent(key)}?timeout=${REQUEST_TIMEOUT_MS}ms`;
    const signal = AbortSignal.timeout(CLIENT_TIMEOUT_MS);
    return new Promise((resolve, reject) => {
      const sent = request(url, { method, agent: this.#agent, headers, signal }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
      });
      sent.once('error', reject);
      sent.end(body);
    });
  }
}

function conditionHeaders(condition: WriteCondition | undefined): Readonly<Record<string, string>> {
  if (condition === undefined) return {};
  if (condition.kind === 'absent') return { 'if-none-match': '*' };
  return { 'if-match': `"${condition.modRevision}"` };
}

function problemOf({ status, body }: Answer): Problem {
  try {
    return JSON.parse(body) as Problem;
  } catch {
    throw new Error(`the service answered ${status} without a problem: ${body}`);
  }
}

function refused(answer: Answer) {
  const problem = problemOf(answer);
  if (problem.code === 'CONDITION_FAILED') return conditionFailed((name) => problem[name]);
  return undecided(problem.code);
}

function foundIn({ headers, body }: Answer): GetOperation['result'] {
  return {
    kind: 'found',
    value: body,
    version: Number(headers['kv-version']),
    modRevision: Number(headers['kv-mod-revision']),
    createRevision: Number(headers['kv-create-revision']),
    revision: Number(headers['kv-revision']),
  };
}
