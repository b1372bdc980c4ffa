/**
 * The life of a cluster in the foreground: take the data directory, plan, spawn everything at once,
 * say when it serves, and on SIGINT, SIGTERM or SIGHUP stop it in order. A second signal kills.
 */
import { assertNever, DiskError } from '@kvstore/std';
import type { ClusterOptions, Environment } from './arguments.ts';
import { banner } from './banner.ts';
import { ClusterDirectory } from './cluster-directory.ts';
import { readClusterFile } from './cluster-file.ts';
import { CommandError } from './command-error.ts';
import { type ControlReply, type ControlRequest, ControlServer } from './control-socket.ts';
import { killLeftovers } from './leftovers.ts';
import {
  foundingMemberList,
  type MemberList,
  readMemberList,
  writeMemberList,
} from './member-list.ts';
import { planPorts } from './port-plan.ts';
import { Readiness } from './readiness.ts';
import { RunningCluster } from './running-cluster.ts';
import { onStopSignals } from './stop-signals.ts';
import { type Programs, Supervisor } from './supervisor.ts';
import { planCluster, type ClusterPlan } from './topology.ts';

export interface Terminal {
  readonly out: (text: string) => void;
  /** One line about something that went wrong or goes on. */
  readonly notice: (line: string) => void;
}

const NODES_DEFAULT = 3;
const MISSING_NOTICE_MS = 10_000;

/** Resolves with the exit code when everything has ended. Rejects with `CommandError`. */
export async function runCluster(
  options: ClusterOptions,
  environment: Environment,
  programs: Programs,
  terminal: Terminal,
): Promise<number> {
  const directory = new ClusterDirectory(options.dataDir);
  const lock = await lockCluster(directory);
  const left = await killLeftovers(options.dataDir);
  if (left.length > 0) terminal.notice(`killed what an earlier start left: ${left.join(', ')}`);
  const members = memberList(options, directory);
  const ports = await planPorts({ ...options, nodes: members.numbers.length });
  const input = { options, members, ports, directory, environment };
  const plan = planCluster(input);
  writeMemberList(directory, members);
  const { restart } = options;
  const supervisor = new Supervisor({ plan, programs, restart, notice: terminal.notice });
  const cluster = new RunningCluster(input, supervisor);
  const control = await ControlServer.listen(directory.path, (request) => answer(cluster, request));
  let killed = false;
  const stopAsked = new Promise<void>((begin) =>
    onStopSignals(begin, () => {
      killed = true;
      supervisor.killAll();
    }),
  );
  supervisor.startAll();
  const stopWaiting = new AbortController();
  void announce({ plan, options, supervisor, terminal, signal: stopWaiting.signal });
  await stopAsked;
  terminal.notice('stopping; a second Ctrl-C kills');
  stopWaiting.abort();
  await supervisor.stopAll();
  control.close();
  lock.release();
  return killed ? 1 : 0;
}

async function lockCluster(directory: ClusterDirectory): Promise<{ release(): void }> {
  const { acquireDirectoryLock, DirectoryInUseError } = await import('@kvstore/sqlite');
  try {
    return acquireDirectoryLock(directory.path);
  } catch (error) {
    if (error instanceof DiskError) throw new CommandError(error.message);
    if (!(error instanceof DirectoryInUseError)) throw error;
    const pid = readClusterFile(directory.dataDir)?.supervisor_pid;
    const who = pid === undefined ? '' : ` (pid ${pid})`;
    throw new CommandError(
      `a cluster runs on ${directory.dataDir} already${who}: stop it, or use another --data-dir`,
    );
  }
}

/** A data directory keeps its members: those that it was founded with, and who came and went since. */
function memberList({ nodes, dataDir }: ClusterOptions, directory: ClusterDirectory): MemberList {
  const before = readMemberList(directory);
  if (before === undefined) return foundingMemberList(nodes ?? NODES_DEFAULT);
  const count = before.numbers.length;
  if (nodes === undefined || nodes === count) return before;
  throw new CommandError(
    `${dataDir} holds a cluster of ${count} nodes: leave --nodes out, or use another --data-dir`,
  );
}

async function answer(cluster: RunningCluster, request: ControlRequest): Promise<ControlReply> {
  const { supervisor } = cluster;
  try {
    switch (request.kind) {
      case 'start':
        supervisor.start(request.name);
        break;
      case 'stop':
        await supervisor.stop(request.name);
        break;
      case 'add-node': {
        const node = await cluster.addNode(request.name, request.replaces);
        return { kind: 'done', state: supervisor.state, node };
      }
      case 'remove-node':
        await cluster.removeNode(request.name);
        break;
      case 'node-added':
        await cluster.nodeAdded(request.name);
        break;
      case 'status':
        break;
      default:
        assertNever(request);
    }
    return { kind: 'done', state: supervisor.state };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { kind: 'refused', reason: error.message };
  }
}

interface Announcement {
  readonly plan: ClusterPlan;
  readonly options: ClusterOptions;
  readonly supervisor: Supervisor;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

/** Says when the cluster serves, and while it does not, what is missing. */
async function announce({
  plan,
  options,
  supervisor,
  terminal,
  signal,
}: Announcement): Promise<void> {
  const readiness = new Readiness();
  let told = '';
  const late = setInterval(() => {
    const dead = supervisor.state.processes.filter(({ state }) => state === 'exited');
    const missing = [...dead.map(({ name }) => `${name} does not run`), ...readiness.missing];
    const line = `not ready yet: ${missing.join('; ')}`;
    if (line !== told) terminal.notice(line);
    told = line;
  }, MISSING_NOTICE_MS);
  try {
    await readiness.untilReady(plan.gateways, signal);
    terminal.out(banner(plan, options, performance.now() / 1000));
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    clearInterval(late);
  }
}
