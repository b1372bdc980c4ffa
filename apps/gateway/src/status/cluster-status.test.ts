import type { NodeStatus } from '@kvstore/cluster-client';
import { clusterStatus, type GatewayIdentity } from './cluster-status.ts';

const identity: GatewayIdentity = {
  cluster: 'dev',
  group: 'g0',
  gateway: 'gateway-1',
  version: '0.1.0',
  nats: () => null,
};

type Consensus = NonNullable<NodeStatus['consensus']>;

const consensus = (more: Partial<Consensus>): Consensus => ({
  node: 'node-1',
  clusterId: 'c1',
  term: 3,
  role: 'follower',
  leader: 'node-1',
  commitIndex: 40,
  lastIndex: 42,
  durableIndex: 42,
  logBytes: 1_000,
  logFirstIndex: 1,
  spaceError: undefined,
  progress: [],
  ...more,
});
const storage: NonNullable<NodeStatus['storage']> = {
  node: 'node-1',
  appliedIndex: 40,
  chain: 77,
  durableIndex: 30,
  revision: 17,
  keys: 5,
  bytes: 50,
  segments: 1,
  segmentBytes: 100,
  memtableBytes: 10,
  healthy: true,
  flushError: undefined,
};

test('one node that leads is told as it measures itself', () => {
  const status = clusterStatus(
    identity,
    [{ node: 'node-1', consensus: consensus({ role: 'leader' }), storage }],
    undefined,
  );
  expect(status).toEqual({
    cluster_id: 'c1',
    cluster: 'dev',
    revision: 17,
    groups: [
      {
        group: 'g0',
        term: 3,
        leader: 'node-1',
        commit_index: 40,
        members: [
          {
            node: 'node-1',
            role: 'voter',
            raft_state: 'leader',
            match_index: 42,
            healthy: true,
            log: { first_index: 1, last_index: 42, bytes: 1_000 },
            storage: {
              applied_index: 40,
              chain: 77,
              durable_index: 30,
              healthy: true,
              keys: 5,
              bytes: 50,
            },
          },
        ],
      },
    ],
    gateways: [{ name: 'gateway-1', healthy: true }],
    nats: null,
    features_off: ['nats'],
    version: '0.1.0',
  });
});

test('what the leader knows of its followers counts, not what they say', () => {
  const leader = consensus({
    role: 'leader',
    progress: [{ node: 'node-2', votes: false, matchIndex: 39, healthy: false }],
  });
  const nodes = [
    { node: 'node-1', consensus: leader, storage },
    { node: 'node-2', consensus: consensus({ commitIndex: 38 }), storage: undefined },
  ];
  const [, follower] = clusterStatus(identity, nodes, undefined).groups[0]?.members ?? [];
  expect(follower).toMatchObject({
    role: 'learner',
    raft_state: 'follower',
    match_index: 39,
    healthy: false,
    storage: null,
  });
});

test('the leader is the one of the highest term', () => {
  const nodes = [
    {
      node: 'node-1',
      consensus: consensus({ term: 2, role: 'leader', leader: 'node-1' }),
      storage,
    },
    { node: 'node-2', consensus: consensus({ term: 4, leader: undefined }), storage },
  ];
  expect(clusterStatus(identity, nodes, undefined).groups[0]).toMatchObject({
    term: 4,
    leader: null,
  });
});

test('a node that does not answer is told as unknown, not as healthy', () => {
  const status = clusterStatus(
    identity,
    [{ node: 'node-1', consensus: undefined, storage: undefined }],
    'no leader',
  );
  expect(status).toMatchObject({ revision: null, gateways: [{ healthy: false }] });
  expect(status.groups[0]).toMatchObject({ term: null, leader: null, commit_index: null });
  expect(status.groups[0]?.members).toEqual([
    {
      node: 'node-1',
      role: 'voter',
      raft_state: null,
      match_index: null,
      healthy: false,
      log: null,
      storage: null,
    },
  ]);
});

test('a log that lacks disk space is not healthy', () => {
  const full = consensus({ role: 'leader', spaceError: 'no space left' });
  const status = clusterStatus(identity, [{ node: 'node-1', consensus: full, storage }], undefined);
  expect(status.groups[0]?.members[0]?.healthy).toBe(false);
});
