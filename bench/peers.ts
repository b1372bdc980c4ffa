/**
 * Our three nodes beside three etcd members, on one machine in one run: REST, gRPC unary, and one
 * client alone. Both run all the time and one is loaded at a time. A peer that is absent is skipped by
 * name.
 */
import { requireTools } from './load/tool.ts';
import { toolsOf, WORK_GROUPS, works } from './load/works.ts';
import { parseOptions, positiveInteger, profileDirectory, UsageError } from './options.ts';
import { type PairsOptions, runPairs } from './pairs.ts';
import { peersReport } from './report/peers-report.ts';
import { warn } from './report/table.ts';
import { findEtcd, startEtcd } from './systems/etcd.ts';
import { startKvstoreCluster } from './systems/kvstore-cluster.ts';
import type { System } from './systems/system.ts';
import { Teardown } from './teardown.ts';

interface Options extends PairsOptions {
  readonly etcd: boolean;
  readonly cpuProfiles: string | undefined;
}

export async function benchPeers(args: readonly string[]): Promise<unknown> {
  const options = readOptions(args);
  requireTools(toolsOf(options.works));
  const teardown = new Teardown();
  try {
    const directory = teardown.temporaryDirectory();
    const ours = await startKvstoreCluster(directory, teardown, options);
    const peer = await startPeer(options, directory, teardown);
    const systems = typeof peer === 'string' ? [ours] : [ours, peer];
    const runs = await runPairs(systems, options, directory, teardown);
    const skipped = typeof peer === 'string' ? [peer] : [];
    return peersReport({ runs, options, directory, skipped });
  } finally {
    await teardown.run();
  }
}

function readOptions(args: readonly string[]): Options {
  const given = parseOptions(args, {
    seconds: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '3' },
    // Why so long: a process that is woken 350 times a second has its hot functions compiled late.
    'warm-up': { type: 'string', default: '15' },
    only: { type: 'string', multiple: true, default: [] },
    'no-etcd': { type: 'boolean', default: false },
    'cpu-prof': { type: 'string' },
  });
  const only = given.only.flatMap((names) => names.split(','));
  const unknown = only.find((name) => !WORK_GROUPS.some((group) => group === name));
  if (unknown !== undefined) {
    throw new UsageError(`--only takes ${WORK_GROUPS.join(', ')}, not "${unknown}"`);
  }
  return {
    seconds: positiveInteger('seconds', given.seconds),
    rounds: positiveInteger('rounds', given.rounds),
    warmUpSeconds: positiveInteger('warm-up', given['warm-up']),
    works: works.filter(({ group }) => only.length === 0 || only.includes(group)),
    etcd: !given['no-etcd'],
    cpuProfiles: profileDirectory(given['cpu-prof']),
  };
}

/** The system, or why there is none. */
async function startPeer(
  options: Options,
  directory: string,
  teardown: Teardown,
): Promise<System | string> {
  const binary = options.etcd ? findEtcd() : undefined;
  if (binary !== undefined) return startEtcd(binary, directory, teardown);
  const skipped = options.etcd
    ? 'etcd SKIPPED: neither ETCD_BIN nor PATH has one that runs (apt-get install etcd-server)'
    : 'etcd SKIPPED: --no-etcd';
  warn(`${skipped}; there are no ratios`);
  return skipped;
}
