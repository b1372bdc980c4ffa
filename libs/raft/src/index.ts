/**
 * raft: the consensus core of one replica of one group. A state machine in the strict sense: it is
 * told that time passed, that a message came, that a write is durable, and it says what to do next.
 * No clock, disk, network, randomness of its own, logger or codec; nothing in it waits. Read with
 * Ongaro's thesis ("Consensus: Bridging Theory and Practice", 2014) at hand.
 *
 * ## Duties of the caller (the driver)
 *
 * 1. Build a `RaftNode` from what the disk holds: the hard state, the base of the log (LOG_START with
 *    the founding configuration, or NO_CONFIGURATION for a replica that waits to be admitted), the last
 *    entry's position, the spans of terms and the configurations that entries hold. All of it durable.
 * 2. Call `tick()` every `tickMs`, with the time of a monotonic clock, never closer together than
 *    `tickMs`: a lease of another replica rests on it. Do not make up for ticks that were missed. Feed
 *    every message to `step()`, however late, doubled or out of order. Drain the inbox before a tick.
 * 3. After any call, while `hasReady()`, take `ready()` and carry out all of it, in this order:
 *    a. save `hardState`; when it is durable call `hardStatePersisted`
 *    b. put `install` in place of the whole log, behind that save; when it is durable call `persisted`
 *       with its index and term. The storage of this node needs the snapshot of another one.
 *    c. write `append` behind both, cutting the log at its first index if that is not above the
 *       log's last; when it is durable call `persisted` with the last entry's index and term. Writes
 *       become durable in the order in which they were handed out, and each one is reported.
 *    d. send `messages`, at once and without waiting for a to c: the core holds back what depends on
 *       them. Appends of a leader leave while its own disk still writes (thesis 10.2.1).
 *    e. take note of `commitIndex` and pass on `committed`
 *    f. answer `reads` once their index is applied, and fail `abandonedReads`
 *    g. read the entries that `loads` ask for, and the position before them (the base's before
 *       the first), and call `loaded`; when the log does not reach that position any more, do nothing
 *    h. connect to whoever is new in `configuration`
 *    Many calls may share one `ready()`: proposals of one turn become one append per follower.
 * 4. Tell `storageDurable` what the storages of members hold, on every replica: whoever leads needs it
 *    for the cut point (`status().cutPoint`), for changes of voters and for promotions (`changePoint`).
 * 5. Cut the log only at or below a cut point that a leader has told, above the base (there is nothing
 *    to do otherwise), and at or below `durableIndex` and a `commitIndex` already handed out: `cutLog`
 *    first, then the result made durable, then the files.
 * 6. Never use an id again: it names one disk. A member that lost its disk comes back under another one.
 *    One that lost only the end of its log, or all of it, and still has its hard state, first makes the
 *    next term durable, without a vote, as hard state and as `repairTerm`, then what is left of the log;
 *    both stay so for ever. It takes part again once a leader of such a term has sent it an entry.
 * 7. When a write or a load fails, stop the process. There is no way to tell the core.
 * 8. Never change a body, an entry or a message after it went in or came out: they are shared.
 * 9. An `InvariantError` ends the process. It means that replicas diverged or that there is a bug.
 *
 * ## What may surprise
 *
 * - A committed entry may not be durable here yet: others form the majority. `commitIndex` is the base's
 *   after a restart until a leader says otherwise, and `committed` lists only what is in memory: load
 *   the entries up to the first listed one, or up to `commitIndex`, from the log.
 * - An entry in `append` may be replaced by a later `append` of the same index, until it is committed.
 * - An acceptance may name less than an append covered when only that much is durable yet.
 * - `propose` answers 'overloaded' also when this replica's own disk is what does not keep up, and
 *   'transferring' while leadership is handed over: either way certainly nothing was appended.
 * - A configuration is in force from the moment it is in the log, committed or not, and goes with its
 *   entry. Joint configurations are left, and joining learners promoted, without a call.
 * - A leader that was removed hands itself over: it steps down, and names a successor.
 *
 * ## Where it differs from the thesis, and why
 *
 * - Pre-vote and check-quorum are always on (9.6, 6.2): a replica that comes back disturbs nobody, a
 *   leader without a majority stops claiming to lead. A vote is ignored for one minimum election
 *   timeout after hearing a leader *and after the start*, when the replica may have forgotten one.
 * - Whoever refuses an append names the highest entry that may agree by term, and the leader skips
 *   its own terms too: one probe per term instead of one per entry (4.2.3 sketches half of it).
 * - Requests of an older term are answered, also pre-votes and heartbeats, so that their sender
 *   learns the term; otherwise a replica with a higher term could be stuck outside for ever.
 * - Entries carry a hash chain: Log Matching is checked, not only proven.
 * - Every round of heartbeats has a number of its own (6.4 numbers nothing). Reads are confirmed by what
 *   left after they were asked for, the lease is measured from when it left.
 * - Every change of the voters is joint, also of one (4.3; no single-server changes). A learner is
 *   promoted by its log *and* its storage.
 * - What stands before a log that was cut is a position and a configuration (chapter 5 ships the state
 *   too): state goes from storage to storage.
 * - A replica may lose the end of its log (not in the thesis): see `repairTerm`. It makes a leader that
 *   counts on what is lost step down by its later term, and takes part in no election of earlier logs.
 * - Priorities move leadership by transfer (3.10) and touch no election.
 * - A sole voter campaigns at its first tick.
 */
export { EntryKind } from './entry.ts';
export type { Entry } from './entry.ts';
export { TermSpans } from './log/term-spans.ts';
export type { TermSpan } from './log/term-spans.ts';
export type { Change } from './membership/change.ts';
export {
  configurationOf,
  isJoint,
  isValidConfiguration,
  NO_CONFIGURATION,
  priorityOf,
  replicasOf,
} from './membership/configuration.ts';
export type {
  Configuration,
  ConfigurationAt,
  ConfigurationCodec,
  LogBase,
  MemberDisk,
  Priority,
} from './membership/configuration.ts';
export type {
  AppendRequest,
  AppendResponse,
  BaseRequest,
  HeartbeatRequest,
  HeartbeatResponse,
  Message,
  PreVoteRequest,
  PreVoteResponse,
  TimeoutNow,
  VoteRequest,
  VoteResponse,
} from './message.ts';
export type { RaftConfig, RestoredState } from './raft-config.ts';
export { RaftNode } from './raft-node.ts';
export type {
  ChangeProposed,
  ChangeRefusal,
  DroppedMessages,
  MemberStatus,
  Proposed,
  RaftStatus,
  TransferStarted,
} from './raft-status.ts';
export { Role } from './ready.ts';
export type { HardState, LoadRequest, ReadGrant, Ready, SoftState } from './ready.ts';
