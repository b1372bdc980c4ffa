import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClusterDirectory } from './cluster-directory.ts';
import { writeClusterFile } from './cluster-file.ts';
import {
  begunFor,
  foundingMemberList,
  nodeNumber,
  readMemberList,
  withAdded,
  withBegun,
  withMember,
  withoutMember,
  writeMemberList,
} from './member-list.ts';

let directory: ClusterDirectory;

beforeEach(() => {
  directory = new ClusterDirectory(mkdtempSync(join(tmpdir(), 'kvstore-members-')));
});
afterEach(() => rmSync(directory.dataDir, { recursive: true }));

test('a number is never free again, also of a member that has left', () => {
  const list = withoutMember(withMember(foundingMemberList(3), 4), 4);
  expect(list).toEqual({ founders: [1, 2, 3], numbers: [1, 2, 3], highest: 4, begun: [] });
  writeMemberList(directory, list);
  expect(readMemberList(directory)).toEqual(list);
});

test('a new directory has none, one of an earlier version has those of its processes', () => {
  expect(readMemberList(directory)).toBeUndefined();
  const entry = { pid: null, state: 'exited', exit: null, metrics: null, log: '' } as const;
  writeClusterFile(directory.dataDir, {
    supervisor_pid: 1,
    processes: [
      { ...entry, name: 'consensus-1', app: 'consensus', node: 'node-1' },
      { ...entry, name: 'consensus-2', app: 'consensus', node: 'node-2' },
      { ...entry, name: 'storage-2', app: 'storage', node: 'node-2' },
    ],
    gateways: [],
    nats: [],
  });
  expect(readMemberList(directory)).toEqual({
    founders: [1, 2],
    numbers: [1, 2],
    highest: 2,
    begun: [],
  });
});

test('the founders stay the same, and are those that are there in a list of an earlier version', () => {
  expect(withoutMember(withMember(foundingMemberList(3), 4), 1).founders).toEqual([1, 2, 3]);
  const { founders: _, begun: __, ...earlier } = foundingMemberList(3);
  directory.write(join(directory.path, 'members.json'), JSON.stringify(earlier));
  expect(readMemberList(directory)).toEqual(foundingMemberList(3));
});

test('what was begun for one purpose is found for it until that has its end', () => {
  const begun = withBegun(withBegun(foundingMemberList(3), undefined), 2);
  expect(begun.numbers).toEqual([1, 2, 3, 4, 5]);
  expect([undefined, 2, 3].map((replaces) => begunFor(begun, replaces))).toEqual([4, 5, undefined]);
  writeMemberList(directory, begun);
  expect(readMemberList(directory)).toEqual(begun);
  const added = withAdded(withAdded(begun, 4), 5);
  expect([undefined, 2].map((replaces) => begunFor(added, replaces))).toEqual([undefined, 5]);
  for (const gone of [2, 5]) expect(withoutMember(added, gone).begun).toEqual([]);
});

test.each(['node-0', 'node-01', 'node-', 'node-x', 'node-1234567890', 'a-1', ''])(
  '"%s" is no node',
  (name) => {
    expect(nodeNumber(name)).toBeUndefined();
  },
);
