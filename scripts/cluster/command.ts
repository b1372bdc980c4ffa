/**
 * What `npm run cluster` does for each command line. Errors that a person can correct are one line
 * and exit code 1; anything else is a bug and shows its stack.
 */
import { join } from 'node:path';
import { assert, assertNever } from '@kvstore/std';
import { AdminClient } from './admin-client.ts';
import { batchScheduled } from './batch-scheduling.ts';
import {
  type ClusterOptions,
  type Environment,
  help,
  type MemberCommand,
  parseCommand,
} from './arguments.ts';
import type { ClusterState } from './cluster-file.ts';
import { CommandError } from './command-error.ts';
import { askSupervisor, type ControlReply, type ControlRequest } from './control-socket.ts';
import {
  addMember,
  type MemberCommands,
  membersTable,
  removeMember,
  replaceMember,
  transferLeadership,
} from './member-commands.ts';
import { statusTable } from './status-table.ts';
import type { Program } from './supervised-process.ts';

export async function runCommand(argv: readonly string[], env: Environment): Promise<never> {
  // Why: a terminal that is gone must not keep the supervisor from stopping its children.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  try {
    process.exit(await run(argv, env));
  } catch (error) {
    const known = error instanceof CommandError;
    const text = known ? `kvstore: ${error.message}` : `kvstore: a bug: ${stackOf(error)}`;
    process.stderr.write(`${text}\n`);
    process.exit(1);
  }
}

async function run(argv: readonly string[], env: Environment): Promise<number> {
  const command = parseCommand(argv, env);
  switch (command.kind) {
    case 'help':
      process.stdout.write(help);
      return 0;
    case 'run':
      return runInForeground(command.options, env);
    case 'status':
      process.stdout.write(statusTable(await ask(command.dataDir, { kind: 'status' })));
      return 0;
    case 'members':
      process.stdout.write(membersTable(await (await admin(command.dataDir)).list()));
      return 0;
    case 'add':
    case 'remove':
    case 'replace':
    case 'transfer':
      await changeMembers(command);
      return 0;
    case 'start':
    case 'stop': {
      const { kind, name, dataDir } = command;
      const { processes } = await ask(dataDir, { kind, name });
      const pid = processes.find((each) => each.name === name)?.pid;
      process.stdout.write(kind === 'stop' ? `${name} has ended\n` : `${name} runs, pid ${pid}\n`);
      return 0;
    }
  }
}

async function changeMembers(command: MemberCommand): Promise<void> {
  const { dataDir } = command;
  const commands: MemberCommands = {
    admin: await admin(dataDir),
    addNode: async (name, replaces) => {
      const { node } = await control(dataDir, { kind: 'add-node', name, replaces });
      assert(node !== undefined, 'a node was added, and has no name');
      return node;
    },
    nodeAdded: async (name) => {
      await control(dataDir, { kind: 'node-added', name });
    },
    removeNode: async (name) => {
      await control(dataDir, { kind: 'remove-node', name });
    },
    progress: (line) => process.stdout.write(`${line}\n`),
  };
  switch (command.kind) {
    case 'add':
      await addMember(commands, command.name);
      return;
    case 'remove':
      return removeMember(commands, command.name);
    case 'replace':
      return replaceMember(commands, command.name);
    case 'transfer':
      return transferLeadership(commands, command.name);
    default:
      assertNever(command);
  }
}

async function admin(dataDir: string): Promise<AdminClient> {
  return new AdminClient((await ask(dataDir, { kind: 'status' })).gateways);
}

/** The running cluster after the request. */
async function ask(dataDir: string, request: ControlRequest): Promise<ClusterState> {
  return (await control(dataDir, request)).state;
}

async function control(dataDir: string, request: ControlRequest): Promise<Done> {
  const reply = await askSupervisor(join(dataDir, 'cluster'), request);
  if (reply === undefined) {
    throw new CommandError(`no cluster runs on ${dataDir}: \`npm run cluster\` starts one`);
  }
  if (reply.kind === 'refused') throw new CommandError(reply.reason);
  return reply;
}

type Done = Extract<ControlReply, { kind: 'done' }>;

async function runInForeground(options: ClusterOptions, env: Environment): Promise<number> {
  const [{ runCluster }, { findNatsServer }] = await Promise.all([
    import('./run-cluster.ts'),
    import('../nats-binary.ts'),
  ]);
  const batch = (program: Program): Program => batchScheduled(program, env['PATH']);
  const programs = {
    consensus: batch(app('consensus')),
    storage: batch(app('storage')),
    gateway: batch(app('gateway')),
    nats: batch(natsServer(findNatsServer)),
  };
  return runCluster(options, env, programs, {
    out: (text) => process.stdout.write(text),
    notice: (line) => process.stderr.write(`kvstore: ${line}\n`),
  });
}

/** What is missing on this machine is told in one line. */
function natsServer(find: () => string): readonly [string] {
  try {
    return [find()];
  } catch (error) {
    throw new CommandError(error instanceof Error ? error.message : String(error));
  }
}

/**
 * With the program text of Node.js in huge pages where the system offers them: every entry wakes
 * every process, and each finds its code evicted from the caches and the TLB by the others.
 */
function app(name: string): Program {
  const main = join(import.meta.dirname, '../../apps', name, 'dist/main.js');
  return [process.execPath, '--use-largepages=silent', main];
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
