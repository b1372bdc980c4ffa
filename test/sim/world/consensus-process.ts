/** One incarnation of a consensus: the real sequencer over the real log files on a simulated disk. */
import {
  ControlOperation,
  decodeControl,
  encodeControl,
  FrameCodec,
  FrameKind,
  type Hello,
  type Lanes,
  type MemberQuestion,
  SenderRole,
  Subjects,
} from '@kvstore/contract';
import type { Entry } from '@kvstore/raft';
import { openHardState, openSegmentedLog } from '@kvstore/disk';
import {
  type LogStore,
  Sequencer,
  type SequencerConfig,
  type SequencerNotice,
} from '@kvstore/sequencer';
import { logIndex, type NodeId, SeededRandom, term } from '@kvstore/std';
import { CLUSTER_ID, IDENTITY, labelOf } from './identity.ts';
import type { SimDisk } from './sim-disk.ts';
import type { SimProcess } from './sim-process.ts';
import { type StoreWitness, WatchedHardState, WatchedLog } from './watched-stores.ts';

export interface ConsensusOptions {
  readonly process: SimProcess;
  readonly node: NodeId;
  readonly voters: readonly NodeId[];
  readonly lanes: Lanes;
  readonly disk: SimDisk;
  readonly seed: number;
  readonly segmentBytes: number;
  readonly config: Partial<SequencerConfig>;
  /** This node has held entries and votes before. */
  readonly mustExist: boolean;
  readonly witness: StoreWitness;
  readonly onFatal: (error: unknown) => void;
  readonly onNotice: (notice: SequencerNotice) => void;
}

/** Rejects when the files cannot be trusted. */
export async function startConsensus(options: ConsensusOptions): Promise<Sequencer> {
  const { process, node, voters, lanes, segmentBytes, mustExist, witness } = options;
  const disk = options.disk.mount(process);
  const directory = 'consensus/g0';
  const label = labelOf(node);
  const hardStates = await openHardState({ disk, directory, label, mustExist });
  const log = await openSegmentedLog({
    disk,
    directory: `${directory}/log`,
    label,
    mustExist,
    segmentBytes,
    timers: process.timers,
  });
  witness.recovered(log.recovered.base, await everyEntry(log), hardStates.recovered);
  const sequencer = new Sequencer({
    ...IDENTITY,
    node,
    voters,
    lanes,
    incarnation: process.incarnation,
    log: new WatchedLog(log, witness),
    hardStates: new WatchedHardState(hardStates, witness),
    clock: process.clock,
    timers: process.timers,
    random: new SeededRandom(options.seed),
    config: options.config,
    onFatal: options.onFatal,
    onNotice: options.onNotice,
  });
  serveControl(options, sequencer);
  await sequencer.start(CLUSTER_ID);
  return sequencer;
}

/** What Nest serves in production: who this is, and who takes part. */
function serveControl(
  { process, node, voters, lanes }: ConsensusOptions,
  sequencer: Sequencer,
): void {
  const role = SenderRole.consensus;
  const { incarnation } = process;
  const frames = new FrameCodec({ ...IDENTITY, sender: { role, name: node, incarnation } });
  const subjects = new Subjects(IDENTITY.cluster, IDENTITY.group);
  const serve = (operation: ControlOperation, answer: (request: unknown) => unknown): void => {
    lanes.control.subscribe(subjects.control(role, node, operation), async (message) => {
      const request = frames.receive(message.payload, FrameKind.controlRequest, decodeControl);
      if (request === undefined) return;
      const body = encodeControl(await answer(request.body));
      message.respond(frames.seal(FrameKind.controlReply, term(0), body));
    });
  };
  // A founder's disk is known to belong to the cluster; another one's is empty before it is admitted.
  const clusterId = voters.length > 0 ? CLUSTER_ID : undefined;
  const member = { clusterId, disk: `disk-${node}`, founders: undefined };
  const hello: Hello = { role, member, name: node, process: process.address, running: true };
  serve(ControlOperation.hello, () => hello);
  serve(ControlOperation.members, (question) => {
    process.membersAskedMs = process.clock.monotonicMs();
    return sequencer.answerAboutMembers(question as MemberQuestion);
  });
}

async function everyEntry(log: LogStore): Promise<readonly Entry[]> {
  const { base, last } = log.recovered;
  const first = (base?.position.index ?? 0) + 1;
  const entries: Entry[] = [];
  while (first + entries.length <= last.index) {
    entries.push(...(await log.read(logIndex(first + entries.length), 1 << 20)));
  }
  return entries;
}
