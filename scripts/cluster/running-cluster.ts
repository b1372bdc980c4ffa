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
  type MemberList,
  nodeName,
  nodeNumber,
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
   * takes the next number, and no number is taken below one that was. Resolves with its name when they are spawned. Rejects with `CommandError`.
   */
  addNode(name: string | undefined): Promise<string> {
    return this.#inTurn(() => this.#addNode(name));
  }

  /** Stops both processes for good and puts their directory aside. Rejects with `CommandError`. */
  removeNode(name: string): Promise<void> {
    return this.#inTurn(() => this.#removeNode(name));
  }

  async #addNode(name: string | undefined): Promise<string> {
    const { members, directory, ports } = this.#input;
    const number = name === undefined ? members.highest + 1 : numberOf(name);
    const node = nodeName(number);
    if (members.numbers.includes(number)) {
      this.supervisor.startAnyOf(node);
      return node;
    }
    if (number <= members.highest) {
      const next = nodeName(members.highest + 1);
      throw new CommandError(`${node} is a name from before, and names never return: add ${next}`);
    }
    if (existsSync(join(directory.dataDir, node))) {
      throw new CommandError(`${node} has a data directory already: name another node`);
    }
    const [consensus, storage] = await anyFreePorts(2);
    await this.#change(withMember(members, number), {
      ...ports,
      consensus: [...ports.consensus, { metrics: consensus as number }],
      storage: [...ports.storage, { metrics: storage as number }],
    });
    this.supervisor.startAnyOf(node);
    return node;
  }

  async #removeNode(name: string): Promise<void> {
    const { members, directory, ports } = this.#input;
    const number = numberOf(name);
    if (!members.numbers.includes(number)) {
      throw new CommandError(
        `there is no ${name}; there are ${members.numbers.map(nodeName).join(', ')}`,
      );
    }
    await this.supervisor.dismiss(name);
    const place = members.numbers.indexOf(number);
    await this.#change(withoutMember(members, number), {
      ...ports,
      consensus: ports.consensus.toSpliced(place, 1),
      storage: ports.storage.toSpliced(place, 1),
    });
    setAside(directory.dataDir, name);
  }

  /** Written before anything is started by it. */
  async #change(members: MemberList, ports: PortPlan): Promise<void> {
    this.#input = { ...this.#input, members, ports };
    writeMemberList(this.#input.directory, members);
    this.supervisor.replan(planCluster(this.#input));
    await this.#reloadNats();
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
