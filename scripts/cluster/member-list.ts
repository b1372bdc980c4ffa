/**
 * Who the members are, for the next start of the supervisor: `<data>/cluster/members.json`, replaced as a
 * whole. `highest` is the highest number that a node ever had: names of removed members are used up.
 * A directory of an earlier version has none; there the processes in `cluster.json` are the members.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { App, readClusterFile } from './cluster-file.ts';
import type { ClusterDirectory } from './cluster-directory.ts';

/** A node that was added without a name, and whether that was seen to its end is not known: asked again, it goes on. */
export interface Begun {
  readonly node: number;
  /** Undefined when it is one more. */
  readonly replaces?: number | undefined;
}

export interface MemberList {
  /** Whom the cluster is founded by, for ever the same: a member that has not begun must agree with the others. */
  readonly founders: readonly number[];
  /** Of node-1, node-2 …, in the order in which they came. */
  readonly numbers: readonly number[];
  readonly highest: number;
  /** At most one that is one more, and one for each that is replaced. */
  readonly begun: readonly Begun[];
}

const NODE_NAME = /^node-([1-9]\d{0,8})$/;

export function nodeName(number: number): string {
  return `node-${number}`;
}

/** Undefined when it is not the name of a node. */
export function nodeNumber(name: string): number | undefined {
  const digits = NODE_NAME.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Undefined for a new cluster. */
export function readMemberList(directory: ClusterDirectory): MemberList | undefined {
  try {
    const list = JSON.parse(readFileSync(pathOf(directory), 'utf8')) as MemberList;
    // Why: earlier versions kept none.
    return { ...list, founders: list.founders ?? list.numbers, begun: list.begun ?? [] };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const processes = readClusterFile(directory.dataDir)?.processes ?? [];
  const numbers = processes
    .filter(({ app }) => app === App.consensus)
    .flatMap(({ node }) => nodeNumber(node ?? '') ?? []);
  if (numbers.length === 0) return undefined;
  return { founders: numbers, numbers, highest: Math.max(...numbers), begun: [] };
}

export function foundingMemberList(nodes: number): MemberList {
  const numbers = Array.from({ length: nodes }, (_, i) => i + 1);
  return { founders: numbers, numbers, highest: nodes, begun: [] };
}

export function withMember(list: MemberList, number: number): MemberList {
  const { numbers, highest } = list;
  return { ...list, numbers: [...numbers, number], highest: Math.max(highest, number) };
}

export function withoutMember(list: MemberList, number: number): MemberList {
  return {
    ...list,
    numbers: list.numbers.filter((each) => each !== number),
    begun: list.begun.filter(({ node, replaces }) => node !== number && replaces !== number),
  };
}

/** The next number, and written with it, what for. */
export function withBegun(list: MemberList, replaces: number | undefined): MemberList {
  const node = list.highest + 1;
  return { ...withMember(list, node), begun: [...list.begun, { node, replaces }] };
}

export function begunFor({ begun }: MemberList, replaces: number | undefined): number | undefined {
  return begun.find((each) => each.replaces === replaces)?.node;
}

/** One more was seen to its end; what replaces another has its end when that one leaves. */
export function withAdded(list: MemberList, number: number): MemberList {
  const goesOn = ({ node, replaces }: Begun): boolean => node !== number || replaces !== undefined;
  return { ...list, begun: list.begun.filter(goesOn) };
}

export function writeMemberList(directory: ClusterDirectory, list: MemberList): void {
  directory.write(pathOf(directory), `${JSON.stringify(list)}\n`);
}

function pathOf({ path }: ClusterDirectory): string {
  return join(path, 'members.json');
}
