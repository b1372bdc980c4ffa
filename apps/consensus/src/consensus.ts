/**
 * The consensus of this process: its files from the start on, and its sequencer once the member belongs to
 * a cluster.
 *
 * Invariant: the core is made after the founders are durably known, and of nothing else. A replica votes in
 * the configuration that its log begins with, so one that is none of the founders has none: it takes part by
 * the log, or not at all.
 */
import type { ConsensusStatus } from '@kvstore/contract';
import { openHardState, openSegmentedLog } from '@kvstore/disk';
import { type KvLogger, type NodeContext, StartError } from '@kvstore/nest-kit';
import {
  type HardStateStore,
  LogError,
  type LogStore,
  Sequencer,
  type SequencerConfig,
} from '@kvstore/sequencer';
import { assert, type NodeId } from '@kvstore/std';
import { tellNotice } from './tell-notice.ts';

interface Stores {
  readonly log: LogStore;
  readonly hardStates: HardStateStore;
}

export class Consensus {
  readonly #context: NodeContext;
  readonly #config: Partial<SequencerConfig>;
  readonly #stores: Stores;
  readonly #logger: KvLogger;
  #sequencer: Sequencer | undefined;

  private constructor(
    context: NodeContext,
    config: Partial<SequencerConfig>,
    stores: Stores,
    logger: KvLogger,
  ) {
    this.#context = context;
    this.#config = config;
    this.#stores = stores;
    this.#logger = logger;
  }

  /**
   * Opens the files, or creates them: they are there before the directory is established, from when on a
   * missing one is damage. Throws `StartError`.
   */
  static async open(
    context: NodeContext,
    config: Partial<SequencerConfig>,
    logger: KvLogger,
  ): Promise<Consensus> {
    return new Consensus(context, config, await openStores(context, logger), logger);
  }

  /** Undefined until the member belongs to a cluster. */
  get sequencer(): Sequencer | undefined {
    return this.#sequencer;
  }

  /** Once, when the directory knows the founders. The sequencer is created, and not yet started. */
  begin(): Sequencer {
    assert(this.#sequencer === undefined, 'a member begins once');
    const { log, hardStates } = this.#stores;
    this.#sequencer = new Sequencer({
      ...this.#context,
      config: this.#config,
      voters: votersOf(this.#context),
      log,
      hardStates,
      onNotice: (notice) => tellNotice(this.#logger, notice),
    });
    return this.#sequencer;
  }

  /** Before the beginning: of a follower of nobody. */
  status(): ConsensusStatus {
    if (this.#sequencer !== undefined) return this.#sequencer.status();
    const { log, hardStates } = this.#stores;
    const { base, last } = log.recovered;
    const baseIndex = base?.position.index ?? 0;
    return {
      node: this.#context.node,
      clusterId: undefined,
      term: hardStates.recovered.term,
      role: 'follower',
      leader: undefined,
      commitIndex: baseIndex,
      lastIndex: last.index,
      durableIndex: last.index,
      logBytes: log.sizeBytes,
      logFirstIndex: baseIndex + 1,
      spaceError: log.spaceError,
      progress: [],
    };
  }
}

/** What the log of this member begins with. */
function votersOf({ node, directory }: NodeContext): readonly NodeId[] {
  const { founders, disk } = directory.identity;
  assert(founders !== undefined, 'a member begins when its founders are known');
  return founders[node] === disk ? (Object.keys(founders) as NodeId[]) : [];
}

async function openStores(context: NodeContext, logger: KvLogger): Promise<Stores> {
  const { disk, cluster, group, node, nodes, timers, established } = context;
  const isAlone = nodes.every((other) => other === node);
  const directory = `consensus/${group}`;
  const shared = { disk, label: `${cluster}/${group}/${node}`, mustExist: established };
  try {
    const hardStates = await openHardState({ ...shared, directory });
    const log = await openSegmentedLog({
      ...shared,
      directory: `${directory}/log`,
      timers,
      // A single voter has nobody to get back from what it has lost.
      ...(!isAlone && { onDamage: () => hardStates.beginRepair() }),
    });
    if (log.recovered.damage !== undefined) {
      logger.event('error', log.recovered.damage, {
        consequence:
          'what is lost is fetched from the other members; until then this one does not vote',
      });
    }
    return { log, hardStates };
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    throw new StartError('DATA_DIR_DAMAGED', error.message, remedyOf(error, isAlone), error);
  }
}

function remedyOf({ code }: LogError, isAlone: boolean): string {
  if (code === 'LOG_FOREIGN') return 'Give this member its own data directory back.';
  if (code === 'FSYNC_FAILED') return 'Look at what is wrong with the disk, then start again.';
  if (isAlone) return 'Restore the data directory from a copy: what was written since is lost.';
  return (
    'This node must not vote with it, nor with an older copy, which has forgotten what it promised: ' +
    'start a node with an empty disk under a name that was never used, add it and remove this one.'
  );
}
