/**
 * How processes are hit, with real signals, and brought back: when `inject` resolves, or rejects,
 * everything that it hit has been let go on or started again. And what operators do to a running cluster, by
 * the steps of the command line.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '@kvstore/std';
import { eventually } from '@kvstore/testing';
import { AdminClient, Refused } from '../../scripts/cluster/admin-client.ts';
import { askSupervisor, type ControlRequest } from '../../scripts/cluster/control-socket.ts';
import {
  addMember,
  type MemberCommands,
  removeMember,
  replaceMember,
  transferLeadership,
} from '../../scripts/cluster/member-commands.ts';
import type { ClusterProcess } from '../support/cluster-process.ts';

export type Fault =
  /** SIGKILL; started again by the launcher at once, or some time after everybody is served. */
  | { readonly kind: 'kill'; readonly restart: 'at-once' | 'when-served' }
  /** SIGSTOP, and SIGCONT after so long. */
  | { readonly kind: 'stop'; readonly forMs: number }
  /** SIGKILL to whoever leads, started again at once, so many times as soon as there is a leader. */
  | { readonly kind: 'kill-leaders'; readonly times: number }
  /** Both signals to random processes for so long, several at a time. */
  | { readonly kind: 'storm'; readonly forMs: number }
  /** Leadership is given to the member of the first victim. */
  | { readonly kind: 'transfer' }
  /** Two members come, one of the old ones goes, then the leader: from three to five and back. */
  | { readonly kind: 'membership'; readonly leadersKilled: boolean }
  /** The victims' node is killed and its disk wiped; then it is replaced. */
  | { readonly kind: 'replace' };

type MemberAction = 'leads' | 'added' | 'removed' | 'replaced';

export interface FaultEvent {
  readonly at: number;
  readonly action: 'SIGKILL' | 'started' | 'SIGSTOP' | 'SIGCONT' | MemberAction;
  readonly names: readonly string[];
}

export interface Target {
  readonly cluster: ClusterProcess;
  readonly victims: readonly string[];
  readonly seed: number;
  /** Told of everything as it is done; `at` on the clock of the history. */
  readonly note: (action: FaultEvent['action'], names: readonly string[]) => void;
  /** Resolves when every client has been answered from now on. */
  readonly untilServed: () => Promise<void>;
}

/** How long what is killed stays dead after everybody was served without it. */
const DEAD_MS = 700;
/** Between two leaders that are killed while members change. */
const KILL_PAUSE_MS = 1_500;
const STORM_PAUSE_MS_MAX = 1_500;
const STORM_DEAD_MS_MAX = 500;
const STORM_STOPPED_MS_MAX = 1_500;

export async function inject(fault: Fault, target: Target): Promise<void> {
  const { victims } = target;
  switch (fault.kind) {
    case 'kill':
      return killed(target, victims, async () => {
        if (fault.restart === 'at-once') return;
        await target.untilServed();
        await sleep(DEAD_MS);
      });
    case 'stop':
      return stopped(target, victims, fault.forMs);
    case 'kill-leaders':
      for (let time = 0, term = 0; time < fault.times; time++) {
        const leader = await leaderAfter(target, term);
        term = leader.term;
        await killed(target, [leader.name], () => Promise.resolve());
      }
      return;
    case 'storm':
      return storm(target, fault.forMs);
    case 'transfer':
      return transferred(target);
    case 'membership':
      return fault.leadersKilled ? membersChangedUnderKills(target) : membersChanged(target);
    case 'replace':
      return replaced(target);
    default:
      return fault satisfies never;
  }
}

async function transferred({ cluster, victims, note }: Target): Promise<void> {
  const node = cluster.member(victims[0] as string).node as string;
  await transferLeadership(memberCommands(cluster), node);
  note('leads', [node]);
}

async function membersChanged({ cluster, victims, note }: Target): Promise<void> {
  const commands = memberCommands(cluster);
  for (let added = 0; added < 2; added++) note('added', [await addMember(commands, undefined)]);
  const follower = cluster.member(victims[0] as string).node as string;
  await removed(follower);
  const leader = cluster.member(await cluster.leader()).node as string;
  await removed(leader);

  /** While a voter is dead, others may have to stay. */
  async function removed(node: string): Promise<void> {
    await eventually(`${node} is removed`, async () => {
      try {
        await removeMember(commands, node);
        return true;
      } catch (error) {
        if (error instanceof Refused && error.code === 'CONDITION_FAILED') return false;
        throw error;
      }
    });
    note('removed', [node]);
  }
}

/** Whoever leads is killed and started again, all the while. */
async function membersChangedUnderKills(target: Target): Promise<void> {
  let isOver = false;
  const change = membersChanged(target).finally(() => (isOver = true));
  const kills = (async () => {
    for (let term = 0; !isOver; await sleep(KILL_PAUSE_MS)) {
      const leader = await leaderAfter(target, term);
      term = leader.term;
      await killed(target, [leader.name], () => Promise.resolve()).catch((error: unknown) => {
        // It was removed meanwhile.
        if (target.cluster.names('consensus').includes(leader.name)) throw error;
      });
    }
  })();
  await Promise.all([change, kills]);
}

async function replaced({ cluster, victims, note, untilServed }: Target): Promise<void> {
  const node = cluster.member(victims[0] as string).node as string;
  note('SIGKILL', victims);
  await cluster.kill(...victims);
  rmSync(join(cluster.dataDir, node), { recursive: true });
  await untilServed();
  await replaceMember(memberCommands(cluster), node);
  note('replaced', [node]);
}

/** Those of `npm run cluster -- …`. */
function memberCommands(cluster: ClusterProcess): MemberCommands {
  return {
    admin: new AdminClient(cluster.file.gateways),
    addNode: async (name, replaces) => {
      return (await ask(cluster, { kind: 'add-node', name, replaces })) as string;
    },
    nodeAdded: async (name) => {
      await ask(cluster, { kind: 'node-added', name });
    },
    removeNode: async (name) => {
      await ask(cluster, { kind: 'remove-node', name });
    },
    progress: () => undefined,
  };
}

/** Why by term: for an election timeout the others still name the leader that was killed. */
async function leaderAfter(
  { cluster }: Target,
  term: number,
): Promise<{ readonly name: string; readonly term: number }> {
  let found = { name: '', term: 0 };
  await eventually('a leader of a newer term', async () => {
    const [group] = (await cluster.status()).groups;
    const member = cluster.file.processes.find(
      ({ app, node }) => app === 'consensus' && node === group?.leader,
    );
    found = { name: member?.name ?? '', term: group?.term ?? 0 };
    return found.name !== '' && found.term > term;
  });
  return found;
}

/** Several faults at a time, but only one of each process. */
async function storm(target: Target, forMs: number): Promise<void> {
  const random = new SeededRandom(target.seed);
  const hit = new Map<string, Promise<void>>();
  const end = performance.now() + forMs;
  while (performance.now() < end) {
    const name = target.victims[random.below(target.victims.length)] as string;
    const kills = random.below(2) === 0;
    const lasts = random.below(kills ? STORM_DEAD_MS_MAX : STORM_STOPPED_MS_MAX);
    const pause = random.below(STORM_PAUSE_MS_MAX);
    if (!hit.has(name)) {
      const fault = kills
        ? killed(target, [name], () => sleep(lasts))
        : stopped(target, [name], lasts);
      hit.set(
        name,
        fault.finally(() => hit.delete(name)),
      );
    }
    await sleep(pause);
  }
  await Promise.all(hit.values());
}

async function stopped(
  { cluster, note }: Target,
  names: readonly string[],
  forMs: number,
): Promise<void> {
  const pids = names.map((name) => cluster.member(name).pid);
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  note('SIGSTOP', names);
  try {
    await sleep(forMs);
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT');
    note('SIGCONT', names);
  }
}

async function killed(
  { cluster, note }: Target,
  names: readonly string[],
  whileDead: () => Promise<void>,
): Promise<void> {
  note('SIGKILL', names);
  await cluster.kill(...names);
  try {
    await whileDead();
  } finally {
    for (const name of names) await ask(cluster, { kind: 'start', name });
    note('started', names);
  }
}

/** What the command line asks, without the CPU of another Node process; the name of a node that was added. */
async function ask(cluster: ClusterProcess, request: ControlRequest): Promise<string | undefined> {
  const reply = await askSupervisor(join(cluster.dataDir, 'cluster'), request);
  if (reply?.kind === 'done') return reply.node;
  throw new Error(`${JSON.stringify(request)}: ${reply?.reason ?? 'no supervisor'}`);
}
