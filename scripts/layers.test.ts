/** The layer rules catch what they are for: seeded violations, one per rule. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = join(__dirname, '..');
const SEEDS = {
  'core-is-pure': ['libs/raft/src/seeded-violation.ts', "import 'node:fs';"],
  'no-upward-layer-raft': [
    'libs/raft/src/seeded-violation.ts',
    "import { FrameKind } from '@kvstore/contract';\nexport const seeded = FrameKind;",
  ],
  'no-upward-layer-lsm': [
    'libs/lsm/src/seeded-violation.ts',
    "import { EntryKind } from '@kvstore/raft';\nexport const seeded = EntryKind;",
  ],
  'no-upward-layer-disk': [
    'libs/disk/src/seeded-violation.ts',
    "import { MemoryBus } from '@kvstore/bus';\nexport const seeded = MemoryBus;",
  ],
  'nest-only-above-nest-kit': [
    'libs/replica/src/seeded-violation.ts',
    "import { Module } from '@nestjs/common';\nexport const seeded = Module;",
  ],
  'http1-is-plain': [
    'libs/nest-kit/src/http1/seeded-violation.ts',
    "import { problemOf } from '../http/problem.ts';\nexport const seeded = problemOf;",
  ],
  'only-sqlite-touches-the-driver': [
    'libs/nest-kit/src/seeded-violation.ts',
    "import Database from 'better-sqlite3';\nexport const seeded = Database;",
  ],
  'testing-stays-in-tests': [
    'libs/bus/src/seeded-violation.ts',
    "import * as testing from '@kvstore/testing';\nexport const seeded = testing;",
  ],
  'no-deep-imports': [
    'libs/disk/src/seeded-violation.ts',
    "import { Proposals } from '../../sequencer/src/proposals.ts';\nexport const seeded = Proposals;",
  ],
  'apps-know-no-other-app': [
    'apps/storage/src/seeded-violation.ts',
    "import * as consensus from '@kvstore/consensus';\nexport const seeded = consensus;",
  ],
} as const;

interface Report {
  readonly summary: {
    readonly violations: readonly {
      readonly from: string;
      readonly rule: { readonly name: string };
    }[];
  };
}

/** The rules that a file breaks, as the check command would find them. */
function rulesBroken(file: string): readonly string[] {
  const { stdout } = spawnSync(
    join(root, 'node_modules/.bin/depcruise'),
    ['--config', '.dependency-cruiser.cjs', '--output-type', 'json', file],
    { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  );
  const report = JSON.parse(stdout) as Report;
  return report.summary.violations.filter(({ from }) => from === file).map(({ rule }) => rule.name);
}

describe('the layer rules', () => {
  test.each(Object.entries(SEEDS))('%s catches a seeded violation', (rule, [file, source]) => {
    const path = join(root, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${source}\n`);
    try {
      expect(rulesBroken(file)).toContain(rule);
    } finally {
      rmSync(path);
    }
  });

  test('the entry guard explains a too old node in one line', () => {
    const guard = join(root, 'scripts/guard.cjs');
    const old = `Object.defineProperty(process.versions, 'node', { value: '20.1.0' }); require(${JSON.stringify(guard)});`;
    const { status, stderr } = spawnSync(process.execPath, ['-e', old], { encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain('needs Node.js >= 24.15');
    expect(execFileSync(process.execPath, [guard], { encoding: 'utf8' })).toBe('');
  });
});
