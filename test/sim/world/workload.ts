/**
 * Clients of a simulated cluster: each sends one request at a time through its gateway, thinks, and
 * goes on; what it saw goes into the history. When its gateway dies, what it waited for is unknown.
 * Values are unique. A write with an idempotency key is repeated until its outcome is known.
 */
import type { ClusterClient } from '@kvstore/cluster-client';
import { revision } from '@kvstore/std';
import type { GetOperation, Operation, WriteCondition } from '@kvstore/testing';
import {
  getRequest,
  readResult,
  type WritePlan,
  writeRequest,
  type WriteResultInHistory,
  writtenResult,
} from './client-requests.ts';
import { Dice } from './dice.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimCluster, SimGateway } from './sim-cluster.ts';
import type { SimOptions, Workload } from './sim-options.ts';
import type { SimProcess } from './sim-process.ts';

const NO_GATEWAY_PAUSE_MS = 20;
const RETRY_PAUSE_MS = 30;
const ATTEMPTS_MAX = 6;

/** A read at a weaker level: no part of a linearizable history. */
export interface WeakRead {
  readonly key: string;
  readonly minRevision: number;
  readonly result: GetOperation['result'];
}

export class WorkloadRunner {
  readonly history: Operation[] = [];
  readonly weakReads: WeakRead[] = [];
  readonly #scheduler: Scheduler;
  readonly #cluster: SimCluster;
  readonly #workload: Workload;
  readonly #dice: Dice;
  readonly #pending = new Map<SimProcess, Set<() => void>>();
  #nextValue = 1;
  #running = 0;
  #stopping = false;
  /** Mod revisions that clients have seen, for conditions that have a chance to hold. */
  readonly #seen = new Map<string, number>();
  #seenRevision = 0;

  constructor(scheduler: Scheduler, cluster: SimCluster, options: SimOptions) {
    this.#scheduler = scheduler;
    this.#cluster = cluster;
    this.#workload = options.workload;
    this.#dice = new Dice(options.seed, 'workload');
  }

  /** Clients that have not finished their last request. */
  get running(): number {
    return this.#running;
  }

  start(): void {
    const { clients, readers } = this.#workload;
    for (let client = 0; client < clients + readers; client++) {
      this.#running += 1;
      this.#client(client).then(
        () => {
          this.#running -= 1;
        },
        (error: unknown) => this.#scheduler.fail(error),
      );
    }
  }

  /** No client begins another request. */
  stop(): void {
    this.#stopping = true;
  }

  /** What was asked of this gateway is not answered any more. */
  gatewayDied(process: SimProcess): void {
    for (const abandon of this.#pending.get(process) ?? []) abandon();
    this.#pending.delete(process);
  }

  /** One write and one read per client; resolves when all are answered. */
  async finalRound(): Promise<void> {
    for (let client = 0; client < this.#workload.clients; client++) {
      await this.#write(client, { kind: 'put', condition: undefined });
      await this.#read(client, this.#key());
    }
  }

  async #client(client: number): Promise<void> {
    while (!this.#stopping) {
      await this.#pause(this.#dice.exponential(this.#workload.thinkUsMean) / 1000);
      if (this.#stopping) return;
      await this.#request(client);
    }
  }

  #request(client: number): Promise<void> {
    const { readShare, weakReadShare, deleteShare, conditionShare, ttlShare } = this.#workload;
    // Why: whoever writes too is soon held up where nothing commits, and misses what reads see there.
    if (client >= this.#workload.clients) return this.#read(client, this.#key());
    if (this.#dice.chance(readShare)) {
      return this.#dice.chance(weakReadShare)
        ? this.#weakRead(client, this.#key())
        : this.#read(client, this.#key());
    }
    if (this.#dice.chance(ttlShare)) return this.#expiringWrite(client);
    const kind = this.#dice.chance(deleteShare) ? 'delete' : 'put';
    const hasCondition = this.#dice.chance(conditionShare);
    return this.#write(client, { kind, condition: hasCondition ? 'some' : undefined });
  }

  async #write(
    client: number,
    { kind, condition }: { kind: 'put' | 'delete'; condition: 'some' | undefined },
  ): Promise<void> {
    const key = this.#key();
    const isIdempotent = this.#dice.chance(this.#workload.idempotentShare);
    const name = `c${client}-${this.#nextValue++}`;
    const plan: WritePlan = {
      kind,
      key,
      value: name.padEnd(this.#dice.below(this.#workload.valueBytesMax), '.'),
      condition: condition === undefined ? undefined : this.#condition(key),
      idempotencyKey: isIdempotent ? name : undefined,
    };
    const call = this.#scheduler.nowMs;
    const { result, attempts } = await this.#writeUntilKnown(client, plan);
    this.#remember(key, result);
    const shared = {
      client,
      key,
      call,
      attempts,
      protocol: 'grpc',
      return: this.#scheduler.nowMs,
      ...(plan.condition && { condition: plan.condition }),
    } as const;
    const operation =
      kind === 'put' ? { ...shared, kind, value: plan.value, result } : { ...shared, kind, result };
    this.history.push(operation as Operation);
  }

  async #writeUntilKnown(
    client: number,
    plan: WritePlan,
  ): Promise<{ readonly result: WriteResultInHistory; readonly attempts: number }> {
    let unknown: WriteResultInHistory | undefined;
    const attemptsMax = plan.idempotencyKey === undefined ? 1 : ATTEMPTS_MAX;
    for (let attempt = 1; ; attempt++) {
      const result = await this.#writeOnce(client, plan);
      if (result.kind === 'unknown') unknown = result;
      const isKnown = result.kind !== 'unknown' && result.kind !== 'not-applied';
      if (isKnown) return { result, attempts: attempt };
      // Why: an earlier attempt may still take effect.
      if (attempt === attemptsMax) return { result: unknown ?? result, attempts: attempt };
      await this.#pause(RETRY_PAUSE_MS);
    }
  }

  async #writeOnce(client: number, plan: WritePlan): Promise<WriteResultInHistory> {
    const { timeoutMs } = this.#workload;
    const gateway = await this.#gateway(client);
    const answered = await this.#ask(gateway, (kv) => kv.write(writeRequest(plan), timeoutMs));
    return answered === undefined
      ? { kind: 'unknown', code: 'GATEWAY_DIED' }
      : writtenResult(answered);
  }

  /** Of a key that nobody reads: when it is gone is for storages to agree on, by log time. */
  async #expiringWrite(client: number): Promise<void> {
    const gateway = await this.#gateway(client);
    const plan: WritePlan = {
      kind: 'put',
      key: `t${this.#dice.below(this.#workload.keys)}`,
      value: `c${client}-${this.#nextValue++}`,
      condition: undefined,
      idempotencyKey: undefined,
      ttlMs: this.#dice.between(1, 2_000),
    };
    await this.#ask(gateway, (kv) => kv.write(writeRequest(plan), this.#workload.timeoutMs));
  }

  async #read(client: number, key: string): Promise<void> {
    const gateway = await this.#gateway(client);
    const call = this.#scheduler.nowMs;
    const request = getRequest(key, { kind: 'linearizable' });
    const answered = await this.#ask(gateway, (kv) => kv.get(request, this.#workload.timeoutMs));
    if (answered === undefined) return;
    const result = readResult(answered);
    if (result.kind === 'found') this.#seen.set(key, result.modRevision);
    if (result.kind !== 'not-applied') this.#sawRevision(result.revision);
    const returned = this.#scheduler.nowMs;
    this.history.push({
      kind: 'get',
      client,
      protocol: 'grpc',
      key,
      call,
      return: returned,
      result,
    });
  }

  async #weakRead(client: number, key: string): Promise<void> {
    const gateway = await this.#gateway(client);
    const isSession = this.#dice.chance(0.5);
    const minRevision = isSession ? this.#seenRevision : 0;
    const request = getRequest(
      key,
      isSession ? { kind: 'session', minRevision: revision(minRevision) } : { kind: 'eventual' },
    );
    const answered = await this.#ask(gateway, (kv) => kv.get(request, this.#workload.timeoutMs));
    if (answered !== undefined)
      this.weakReads.push({ key, minRevision, result: readResult(answered) });
  }

  /** Undefined when the gateway dies before it answers. */
  #ask<Result>(
    { process, client }: { process: SimProcess; client: ClusterClient },
    request: (client: ClusterClient) => Promise<Result>,
  ): Promise<Result | undefined> {
    return new Promise((resolve, reject) => {
      const waiting = this.#pending.get(process) ?? new Set();
      this.#pending.set(process, waiting);
      const abandon = (): void => resolve(undefined);
      waiting.add(abandon);
      request(client).then((result) => {
        waiting.delete(abandon);
        if (process.isAlive) resolve(result);
      }, reject);
    });
  }

  async #gateway(client: number): Promise<{ process: SimProcess; client: ClusterClient }> {
    const { gateways } = this.#cluster;
    for (;;) {
      const gateway = gateways[client % gateways.length] as SimGateway;
      const { process, client: kv } = gateway;
      if (process?.isAlive === true && kv !== undefined) return { process, client: kv };
      await this.#pause(NO_GATEWAY_PAUSE_MS);
    }
  }

  #key(): string {
    return `k${this.#dice.below(this.#workload.keys)}`;
  }

  #condition(key: string): WriteCondition {
    const modRevision = this.#seen.get(key);
    if (modRevision === undefined || this.#dice.chance(0.3)) return { kind: 'absent' };
    return { kind: 'mod-revision', modRevision };
  }

  #remember(key: string, result: WriteResultInHistory): void {
    if (result.kind === 'written') this.#seen.set(key, result.revision);
    if (result.kind === 'condition-failed') this.#seen.set(key, result.modRevision);
    if ('revision' in result) this.#sawRevision(result.revision);
  }

  #sawRevision(at: number): void {
    this.#seenRevision = Math.max(this.#seenRevision, at);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#scheduler.schedule(ms * 1000, undefined, resolve));
  }
}
