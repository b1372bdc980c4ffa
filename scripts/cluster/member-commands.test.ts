/** The steps of the member commands, against a cluster that answers as a test says. */
import type { AdminClient, Member, Members } from './admin-client.ts';
import { Refused } from './admin-client.ts';
import { addMember, membersTable, removeMember, replaceMember } from './member-commands.ts';

const voter = (node: string): Member => ({
  node,
  role: 'voter',
  change: null,
  priority: 0,
  match_index: 9,
  healthy: true,
});

/** Every member that is added is a learner for two looks. */
class Cluster {
  readonly done: string[] = [];
  members: readonly Member[] = ['node-1', 'node-2', 'node-3'].map(voter);
  refusals: Refused[] = [];
  failRemoval: Refused | undefined;
  #looks = 0;

  readonly admin = {
    list: () => this.#list(),
    add: (node: string) => this.#add(node),
    remove: (node: string) => this.#remove(node),
  } as unknown as AdminClient;

  readonly commands = {
    admin: this.admin,
    addNode: (name: string | undefined, replaces: string | undefined) =>
      this.#note(
        `spawn ${name ?? 'node-4'}${replaces === undefined ? '' : ` for ${replaces}`}`,
        name ?? 'node-4',
      ),
    nodeAdded: (name: string) => this.#note(`${name} votes`, undefined),
    removeNode: (name: string) => this.#note(`end ${name}`, undefined),
    progress: () => undefined,
  };

  async #note<T>(what: string, value: T): Promise<T> {
    this.done.push(what);
    return value;
  }

  async #list(): Promise<Members> {
    if (this.#looks > 0 && --this.#looks === 0) {
      this.members = this.members.map(({ node }) => voter(node));
    }
    return { term: 1, configuration_index: 0, leader: 'node-1', members: this.members };
  }

  async #add(node: string): Promise<Members> {
    const refusal = this.refusals.shift();
    if (refusal !== undefined) throw refusal;
    this.done.push(`add ${node}`);
    if (this.members.some((each) => each.node === node)) return this.#list();
    this.members = [...this.members, { ...voter(node), role: 'learner', change: 'joining' }];
    this.#looks = 2;
    return this.#list();
  }

  async #remove(node: string): Promise<Members> {
    const refusal = this.failRemoval ?? this.refusals.shift();
    this.failRemoval = undefined;
    if (refusal !== undefined) throw refusal;
    this.done.push(`remove ${node}`);
    this.members = this.members.filter((each) => each.node !== node);
    return this.#list();
  }
}

let cluster: Cluster;
beforeEach(() => {
  cluster = new Cluster();
});

test('a node is added once its process answers, and done when it votes', async () => {
  cluster.refusals = [new Refused('UNAVAILABLE', 'nobody answers'), new Refused('NO_LEADER', '')];
  await addMember(cluster.commands, undefined);
  expect(cluster.done).toEqual(['spawn node-4', 'add node-4', 'node-4 votes']);
  expect(cluster.members.at(-1)).toEqual(voter('node-4'));
});

test('what the cluster refuses for good ends the command', async () => {
  cluster.refusals = [new Refused('INVALID_ARGUMENT', 'node-4 was removed')];
  await expect(addMember(cluster.commands, 'node-4')).rejects.toThrow('node-4 was removed');
});

test('a member leaves before its processes end; what is no member only ends', async () => {
  await removeMember(cluster.commands, 'node-2');
  await removeMember(cluster.commands, 'node-7');
  expect(cluster.done).toEqual(['remove node-2', 'end node-2', 'end node-7']);
});

test('a member leaves when the storages of the others have flushed; what does not pass ends the command', async () => {
  cluster.refusals = [1, 2].map(() => new Refused('CONDITION_FAILED', '', 'storages-behind'));
  await removeMember(cluster.commands, 'node-2');
  expect(cluster.done).toEqual(['remove node-2', 'end node-2']);
  cluster.refusals = [new Refused('CONDITION_FAILED', 'no majority')];
  await expect(removeMember(cluster.commands, 'node-3')).rejects.toThrow('no majority');
});

test('a lost node is replaced by one that votes before it goes', async () => {
  await replaceMember(cluster.commands, 'node-3');
  const begin = ['spawn node-4 for node-3', 'add node-4'];
  expect(cluster.done).toEqual([...begin, 'remove node-3', 'end node-3']);
});

test.each(['CONDITION_FAILED', 'INVALID_ARGUMENT'])(
  'a replacement that ended with %s in the middle goes on with the same node',
  async (code) => {
    const begin = ['spawn node-4 for node-3', 'add node-4'];
    cluster.failRemoval = new Refused(code, 'not now');
    await expect(replaceMember(cluster.commands, 'node-3')).rejects.toThrow('not now');
    await replaceMember(cluster.commands, 'node-3');
    expect(cluster.done).toEqual([...begin, ...begin, 'remove node-3', 'end node-3']);
    expect(cluster.members.map(({ node }) => node)).toEqual(['node-1', 'node-2', 'node-4']);
  },
);

test('a replacement that was cut off before the processes had ended only ends them', async () => {
  await replaceMember(cluster.commands, 'node-3');
  cluster.done.length = 0;
  await replaceMember(cluster.commands, 'node-3');
  expect(cluster.done).toEqual(['spawn node-4 for node-3', 'add node-4', 'end node-3']);
});

test('members are a table in the order of their numbers', () => {
  const members = [
    voter('node-10'),
    { ...voter('node-2'), role: 'learner', change: 'joining' } as const,
  ];
  expect(membersTable({ term: 1, configuration_index: 0, leader: 'node-10', members })).toBe(
    [
      'NODE     ROLE               LEADS   PRIORITY  LOG  HEALTHY',
      'node-2   learner (joining)  -       0         9    yes',
      'node-10  voter              leader  0         9    yes',
      '',
    ].join('\n'),
  );
});
