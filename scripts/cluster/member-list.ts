/**
 * Who the members are, for the next start of the supervisor: `<data>/cluster/members.json`, replaced as a
 * whole. `highest` is the highest number that a node ever had: names of removed members are used up.
 * A directory of an earlier version has none; there the processes in `cluster.json` are the members.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { App, readClusterFile } from './cluster-file.ts';
import type { ClusterDirectory } from './cluster-directory.ts';

export interface MemberList {
  /** Whom the cluster is founded by, for ever the same: a member that has not begun must agree with the others. */
  readonly founders: readonly number[];
  /** Of node-1, node-2 …, in the order in which they came. */
  readonly numbers: readonly number[];
  readonly highest: number;
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
    // Why: an earlier version kept none.
    return { ...list, founders: list.founders ?? list.numbers };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const processes = readClusterFile(directory.dataDir)?.processes ?? [];
  const numbers = processes
    .filter(({ app }) => app === App.consensus)
    .flatMap(({ node }) => nodeNumber(node ?? '') ?? []);
  if (numbers.length === 0) return undefined;
  return { founders: numbers, numbers, highest: Math.max(...numbers) };
}

export function foundingMemberList(nodes: number): MemberList {
  const numbers = Array.from({ length: nodes }, (_, i) => i + 1);
  return { founders: numbers, numbers, highest: nodes };
}

export function withMember(list: MemberList, number: number): MemberList {
  const { numbers, highest } = list;
  return { ...list, numbers: [...numbers, number], highest: Math.max(highest, number) };
}

export function withoutMember(list: MemberList, number: number): MemberList {
  return { ...list, numbers: list.numbers.filter((each) => each !== number) };
}

export function writeMemberList(directory: ClusterDirectory, list: MemberList): void {
  directory.write(pathOf(directory), `${JSON.stringify(list)}\n`);
}

function pathOf({ path }: ClusterDirectory): string {
  return join(path, 'members.json');
}
