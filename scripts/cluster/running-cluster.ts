/**
 * The cluster that a supervisor runs, as another terminal can change it: processes started and stopped, and
 * those of nodes that come and go. It knows processes, ports, passwords and directories; who is a member the
 * cluster itself decides, asked through a gateway by `member-commands.ts`.
 *
 * Invariant: a node is on the list before its first process runs, and its directory is moved only when both have
 * ended and it is off the list.
 */
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { App } from './cluster-file.ts';
import { CommandError } from './command-error.ts';
import {
  begunFor,
  type MemberList,
  nodeName,
  nodeNumber,
  withAdded,
  withBegun,
  withMember,
  withoutMember,
  writeMemberList,
} from './member-list.ts';
import { anyFreePorts, type PortPlan } from './port-plan.ts';
import type { Supervisor } from './supervisor.ts';
import { planCluster, type TopologyInput } from './topology.ts';

const RELOADED = 'Reloaded server configuration';
const RELOAD_WAIT_MS = 5_000;
const RELOAD_POLL_MS = 20;

export class RunningCluster {
  readonly supervisor: Supervisor;
  #input: TopologyInput;
  /** One change of nodes at a time: each rewrites the same files. */
  #changing: Promise<unknown> = Promise.resolve();

  constructor(input: TopologyInput, supervisor: Supervisor) {
    this.#input = input;
    this.supervisor = supervisor;
  }

  /**
   * Spawns the processes of a node that is none yet, or of one that is there and does not run; `name` undefined
   * goes on with the node that was begun for the same, else takes the next number, and no number is taken below
   * one that was. Resolves with its name when they are spawned. Rejects with `CommandError`.
   */
  addNode(name: string | undefined, replaces: string | undefined): Promise<string> {
    return this.#inTurn(() => this.#addNode(name, replaces));
  }

  /** It is a voter: the next one that is added without a name is another one. */
  nodeAdded(name: string): Promise<void> {
    return this.#inTurn(async () => this.#keep(withAdded(this.#input.members, numberOf(name))));
  }

  /** Stops both processes for good and puts their directory aside. Rejects with `CommandError`. */
  removeNode(name: string): Promise<void> {
    return this.#inTurn(() => this.#removeNode(name));
  }

  async #addNode(name: string | undefined, replaces: string | undefined): Promise<string> {
    const { members } = this.#input;
    const replaced = replaces === undefined ? undefined : this.#listed(replaces);
    const number = name === undefined ? begunFor(members, replaced) : numberOf(name);
    if (number === undefined) await this.#grow(withBegun(members, replaced));
    else if (!members.numbers.includes(number)) await this.#grow(this.#withNew(number));
    const node = nodeName(number ?? members.highest + 1);
    // Why also of one that is there: it may be so because this has failed.
    await this.#reloadNats();
    this.supervisor.startAnyOf(node);
    return node;
  }

  #withNew(number: number): MemberList {
    const { members } = this.#input;
    if (number > members.highest) return withMember(members, number);
    const next = nodeName(members.highest + 1);
    throw new CommandError(
      `${nodeName(number)} is a name from before, and names never return: add ${next}`,
    );
  }

  /** By the last of `members`. */
  async #grow(members: MemberList): Promise<void> {
    const { directory, ports } = this.#input;
    const node = nodeName(members.highest);
    if (existsSync(join(directory.dataDir, node))) {
      throw new CommandError(`${node} has a data directory already: name another node`);
    }
    const [consensus, storage] = await anyFreePorts(2);
    this.#plan(members, {
      ...ports,
      consensus: [...ports.consensus, { metrics: consensus as number }],
      storage: [...ports.storage, { metrics: storage as number }],
    });
  }

  async #removeNode(name: string): Promise<void> {
    const { members, directory, ports } = this.#input;
    if (!this.#isHalfRemoved(name)) {
      const number = this.#listed(name);
      await this.supervisor.dismiss(name);
      const place = members.numbers.indexOf(number);
      this.#plan(withoutMember(members, number), {
        ...ports,
        consensus: ports.consensus.toSpliced(place, 1),
        storage: ports.storage.toSpliced(place, 1),
      });
    }
    await this.#reloadNats();
    setAside(directory.dataDir, name);
  }

  /** Off the list, and its directory is still where it was. */
  #isHalfRemoved(name: string): boolean {
    const { members, directory } = this.#input;
    const number = numberOf(name);
    if (members.numbers.includes(number) || number > members.highest) return false;
    return existsSync(join(directory.dataDir, name));
  }

  #listed(name: string): number {
    const { numbers } = this.#input.members;
    const number = numberOf(name);
    if (numbers.includes(number)) return number;
    throw new CommandError(`there is no ${name}; there are ${numbers.map(nodeName).join(', ')}`);
  }

  /** Written before anything is started by it. */
  #plan(members: MemberList, ports: PortPlan): void {
    this.#input = { ...this.#input, ports };
    this.#keep(members);
    this.supervisor.replan(planCluster(this.#input));
  }

  #keep(members: MemberList): void {
    this.#input = { ...this.#input, members };
    writeMemberList(this.#input.directory, members);
  }

  /** Without it nobody lets a new user in. */
  async #reloadNats(): Promise<void> {
    const servers = this.supervisor.running(App.nats);
    const before = servers.map(({ log }) => reloads(log));
    for (const { pid } of servers) process.kill(pid, 'SIGHUP');
    const deadline = performance.now() + RELOAD_WAIT_MS;
    while (servers.some(({ log }, i) => reloads(log) <= (before[i] ?? 0))) {
      if (performance.now() > deadline) {
        throw new CommandError('a nats-server did not take its new configuration: see its log');
      }
      await pause(RELOAD_POLL_MS);
    }
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#changing.then(change);
    this.#changing = result.catch(() => undefined);
    return result;
  }
}

function numberOf(name: string): number {
  const number = nodeNumber(name);
  if (number === undefined)
    throw new CommandError(`"${name}" is no node: nodes are called node-1, node-2 …`);
  return number;
}

function reloads(log: string): number {
  return readFileSync(log, 'utf8').split(RELOADED).length - 1;
}

/** Kept, for whoever finds out later that something in it was needed. */
function setAside(dataDir: string, node: string): void {
  const from = join(dataDir, node);
  if (!existsSync(from)) return;
  const removed = join(dataDir, 'removed');
  mkdirSync(removed, { recursive: true, mode: 0o700 });
  const time = new Date().toISOString().replaceAll(/[:.]/g, '-');
  renameSync(from, join(removed, `${node}-${time}`));
}
