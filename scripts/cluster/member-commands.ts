/**
 * Members that come and go while the cluster runs: the processes by its supervisor, the membership by the
 * cluster itself. Every step can be repeated, so a command that was cut off is given again.
 *
 *   add       processes first, which wait to be admitted; then the member; done when it votes, which the
 *             supervisor is told: until then `add` without a name means this node
 *   remove    the member first; done when its processes have ended
 *   replace   add, then remove: a node that lost its disk comes back under another name, which the supervisor
 *             keeps until the lost one is gone
 */
import { setTimeout as pause } from 'node:timers/promises';
import { STORAGES_BEHIND } from '@kvstore/contract';
import { type AdminClient, type Member, type Members, Refused } from './admin-client.ts';
import { CommandError } from './command-error.ts';

export interface MemberCommands {
  readonly admin: AdminClient;
  /**
   * By the supervisor; resolves with the node's name when its processes are spawned. Without a name it goes on
   * with the node that was begun for the same, as one more or in the place of `replaces`.
   */
  addNode(name: string | undefined, replaces: string | undefined): Promise<string>;
  /** The supervisor is told that a node which is one more votes. */
  nodeAdded(name: string): Promise<void>;
  /** By the supervisor; resolves when its processes have ended. */
  removeNode(name: string): Promise<void>;
  /** One line for the person at the terminal. */
  readonly progress: (line: string) => void;
}

const POLL_MS = 100;
/** A process that was spawned answers after a second or so, a leader is elected sooner. */
const ANSWER_WAIT_MS = 30_000;
/** Without any progress of a log; and for storages to flush what they hold in memory. */
const STILL_MS_MAX = 120_000;

export async function addMember(
  commands: MemberCommands,
  name: string | undefined,
): Promise<string> {
  const node = await commands.addNode(name, undefined);
  await admit(commands, node);
  await commands.nodeAdded(node);
  return node;
}

async function admit(commands: MemberCommands, node: string): Promise<void> {
  commands.progress(`${node} runs; it is added to the members`);
  // Its processes may still be starting.
  await insist(() => commands.admin.add(node));
  await untilVoter(commands, node);
  commands.progress(`${node} is a voter`);
}

export async function removeMember(commands: MemberCommands, node: string): Promise<void> {
  const { members } = await insist(() => commands.admin.list());
  if (members.some((each) => each.node === node)) {
    await insist(() => commands.admin.remove(node));
    commands.progress(`${node} is no member any more`);
  }
  await commands.removeNode(node);
  commands.progress(`${node} has ended; its data is kept below removed/`);
}

export async function replaceMember(commands: MemberCommands, node: string): Promise<void> {
  const replacement = await commands.addNode(undefined, node);
  await admit(commands, replacement);
  await removeMember(commands, node);
  commands.progress(`${replacement} stands in for ${node}`);
}

export async function transferLeadership(commands: MemberCommands, node: string): Promise<void> {
  const { leader } = await insist(() => commands.admin.transfer(node));
  commands.progress(`${leader ?? node} leads`);
}

export function membersTable({ leader, members }: Members): string {
  const rows = members
    .toSorted((a, b) => a.node.localeCompare(b.node, 'en', { numeric: true }))
    .map((each) => [
      each.node,
      each.change === null ? each.role : `${each.role} (${each.change})`,
      each.node === leader ? 'leader' : '-',
      String(each.priority),
      String(each.match_index),
      each.healthy ? 'yes' : 'no',
    ]);
  const table = [['NODE', 'ROLE', 'LEADS', 'PRIORITY', 'LOG', 'HEALTHY'], ...rows];
  const widths = (table[0] ?? []).map((_, column) =>
    Math.max(...table.map((cells) => cells[column]?.length ?? 0)),
  );
  const lines = table.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

/** Again, while what is in the way passes by itself: every request says what shall be so. */
async function insist<T>(request: () => Promise<T>): Promise<T> {
  const beganAt = performance.now();
  for (;;) {
    try {
      return await request();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (performance.now() - beganAt >= waitMsFor(error)) throw error;
      await pause(POLL_MS);
    }
  }
}

/** How long what is in the way may take to pass. */
function waitMsFor({ code, reason }: Refused): number {
  if (reason === STORAGES_BEHIND) return STILL_MS_MAX;
  return PASSES.has(code) ? ANSWER_WAIT_MS : 0;
}

const PASSES: ReadonlySet<string> = new Set([
  'UNAVAILABLE',
  'NO_LEADER',
  'OVERLOADED',
  'COMMIT_UNKNOWN',
]);

async function untilVoter({ admin, progress }: MemberCommands, node: string): Promise<void> {
  let reached = -1;
  let movedAt = performance.now();
  for (;;) {
    const member = await find(admin, node);
    if (member?.role === 'voter' && member.change === null) return;
    if (member !== undefined && member.match_index > reached) {
      reached = member.match_index;
      movedAt = performance.now();
      progress(`${node} has the log up to entry ${reached}`);
    }
    if (performance.now() - movedAt > STILL_MS_MAX) {
      throw new CommandError(
        `${node} is a learner and gets no further: see its log; it votes as soon as it has caught up`,
      );
    }
    await pause(POLL_MS);
  }
}

/** Undefined while there is no leader to tell. */
async function find(admin: AdminClient, node: string): Promise<Member | undefined> {
  try {
    const { members } = await admin.list();
    return members.find((each) => each.node === node);
  } catch (error) {
    if (error instanceof Refused && PASSES.has(error.code)) return undefined;
    throw error;
  }
}
