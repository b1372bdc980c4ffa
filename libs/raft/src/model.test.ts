/**
 * Every state of a small cluster, over the real code (see `testdata/model.ts`): election safety, log
 * matching, leader completeness and state machine safety in each of them. What was explored is printed.
 * `RAFT_MODEL=full` adds the larger searches, the last of them up to a number of states.
 */
import { writeSync } from 'node:fs';
import { Model, type Bounds } from '../testdata/model.ts';

const TIMEOUT_MS = 600_000;
const STDERR = 2;
const isFull = process.env['RAFT_MODEL'] === 'full';

const bounds: Bounds = {
  elections: 2,
  proposals: 2,
  crashes: 1,
  damages: 0,
  faults: 0,
  slowDisks: false,
  statesMax: 12_000_000,
};

const damaged: Bounds = { ...bounds, proposals: 1, crashes: 0, damages: 1 };

const small: [string, Bounds][] = [
  ['2 elections, 2 proposals and a crash', bounds],
  [
    '2 elections, a proposal and a message that is lost or comes twice',
    { ...bounds, proposals: 1, crashes: 0, faults: 1 },
  ],
  ['2 elections, a proposal and a log that is damaged', damaged],
  [
    'an election, 2 proposals and a crash on slow disks',
    { ...bounds, elections: 1, slowDisks: true },
  ],
];

/** The only one that ends at `statesMax`. */
const unfinished = '2 elections, 2 proposals, a crash and a fault, as far as it goes';

const large: [string, Bounds][] = [
  ['2 elections, a proposal, a log that is damaged and a crash', { ...damaged, crashes: 1 }],
  ['2 elections, 2 proposals and a fault', { ...bounds, crashes: 0, faults: 1 }],
  [
    '2 elections and a proposal on slow disks',
    { ...bounds, proposals: 1, crashes: 0, slowDisks: true },
  ],
  [unfinished, { ...bounds, faults: 1 }],
];

test.each(isFull ? [...small, ...large] : small)(
  'every state of three replicas is safe: %s',
  (name, within) => {
    const begin = performance.now();
    const explored = new Model(within).explore();
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    const { states, steps, localStates, depth, isComplete } = explored;
    const end = isComplete ? 'all of them' : 'not all of them';
    writeSync(
      STDERR,
      `raft model, ${name}: ${states} states (${end}), ${steps} steps, ` +
        `${localStates} states of one replica, depth ${depth}, ${seconds} s\n`,
    );
    expect(isComplete).toBe(name !== unfinished);
    expect(explored.leaders).toBeGreaterThan(0);
    expect(explored.committedMax).toBeGreaterThan(within.proposals);
  },
  TIMEOUT_MS,
);
