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
    return JSON.parse(readFileSync(pathOf(directory), 'utf8')) as MemberList;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const processes = readClusterFile(directory.dataDir)?.processes ?? [];
  const numbers = processes
    .filter(({ app }) => app === App.consensus)
    .flatMap(({ node }) => nodeNumber(node ?? '') ?? []);
  return numbers.length === 0 ? undefined : { numbers, highest: Math.max(...numbers) };
}

export function foundingMemberList(nodes: number): MemberList {
  return { numbers: Array.from({ length: nodes }, (_, i) => i + 1), highest: nodes };
}

export function withMember({ numbers, highest }: MemberList, number: number): MemberList {
  return { numbers: [...numbers, number], highest: Math.max(highest, number) };
}

export function withoutMember({ numbers, highest }: MemberList, number: number): MemberList {
  return { numbers: numbers.filter((each) => each !== number), highest };
}

export function writeMemberList(directory: ClusterDirectory, list: MemberList): void {
  directory.write(pathOf(directory), `${JSON.stringify(list)}\n`);
}

function pathOf({ path }: ClusterDirectory): string {
  return join(path, 'members.json');
}
