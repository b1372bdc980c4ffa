/** When the cluster serves: every gateway answers 200 to `/readyz`; until then, what is missing. */
import { get } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { GatewayEntry } from './cluster-file.ts';

const POLL_MS = 25;
const ANSWER_MS_MAX = 2_000;

export class Readiness {
  /** By gateway; empty when all are ready. */
  readonly #missing = new Map<string, string>();

  /** Why each gateway that is not ready is not, as it last said. */
  get missing(): readonly string[] {
    return [...this.#missing].map(([name, why]) => `${name}: ${why}`);
  }

  /** Resolves when all gateways have been ready; rejects when aborted. */
  async untilReady(gateways: readonly GatewayEntry[], signal: AbortSignal): Promise<void> {
    for (const { name } of gateways) this.#missing.set(name, 'does not answer');
    await Promise.all(gateways.map((gateway) => this.#watch(gateway, signal)));
  }

  async #watch({ name, http }: GatewayEntry, signal: AbortSignal): Promise<void> {
    for (;;) {
      const why = await notReady(`${http}/readyz`);
      signal.throwIfAborted();
      if (why === undefined) break;
      this.#missing.set(name, why);
      await pause(POLL_MS, undefined, { signal });
    }
    this.#missing.delete(name);
  }
}

/** Undefined when it answers 200, else why not. */
function notReady(url: string): Promise<string | undefined> {
  return new Promise((done) => {
    const request = get(url, { timeout: ANSWER_MS_MAX, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.once('error', () => done('does not answer'));
      response.once('end', () => {
        done(
          response.statusCode === 200
            ? undefined
            : (detail(body) ?? `/readyz answers ${response.statusCode}`),
        );
      });
    });
    request.once('timeout', () => request.destroy());
    request.once('error', () => done('does not answer'));
  });
}

/** Of a problem document. */
function detail(body: string): string | undefined {
  try {
    const { detail } = JSON.parse(body) as { readonly detail?: unknown };
    return typeof detail === 'string' ? detail : undefined;
  } catch {
    return undefined;
  }
}
