/** Seeded bugs of the consensus core. */
import type { Edit, Mutant } from './mutant.ts';

const inRaft = (file: string, find: string, replace: string): Edit => ({
  file: `libs/raft/src/${file}.ts`,
  find,
  replace,
});

/**
 * A leader first asks where the logs agree by an append without entries (as CCF's does). That is right by
 * itself: the gate runs it as a control. It takes away what hides M9 and M12 in this core, where every
 * append that a new leader sends ends at an entry of its own term or cuts a stale suffix off.
 */
const EMPTY_PROBES = inRaft(
  'tracker/replication',
  'const wantsEntries = next <= log.last.index && progress.hasRoom;',
  "const wantsEntries = next <= log.last.index && progress.hasRoom && progress.inspect()[0] === 'replicate';",
);

/** Changes that break nothing: whoever catches one of them is wrong. */
export const CONTROLS: readonly Mutant[] = [
  { id: 'C1', title: 'probes carry no entries', edits: [EMPTY_PROBES] },
];

export const RAFT_MUTANTS: readonly Mutant[] = [
  {
    id: 'M2',
    title: 'a vote is answered before it is durable',
    edits: [
      inRaft(
        'voter',
        'if (hardState.isVoteDurable) this.answer(request.from, true);',
        'if (request.term > 0) this.answer(request.from, true);',
      ),
    ],
  },
  {
    id: 'M4',
    title: 'the vote is forgotten when a candidate steps down in its term',
    edits: [
      inRaft(
        'voter',
        'const isFree = hardState.vote === undefined && leader === undefined;',
        'const isFree = (hardState.vote === undefined || hardState.vote === this.#state.config.id) && leader === undefined;',
      ),
      inRaft('hard-state-cell', "assert(vote === undefined, 'a second vote in one term');", ''),
    ],
  },
  {
    id: 'M5',
    title: 'logs are compared by index before term',
    edits: [
      inRaft(
        'log/raft-log',
        'if (lastTerm !== this.#last.term) return lastTerm > this.#last.term;\n    return lastIndex >= this.#last.index;',
        'if (lastIndex !== this.#last.index) return lastIndex > this.#last.index;\n    return lastTerm >= this.#last.term;',
      ),
    ],
  },
  {
    id: 'M6',
    title: 'entries of older terms are committed by counting',
    edits: [inRaft('leader', ' || log.termAt(reached) !== this.#term) return;', ') return;')],
  },
  {
    id: 'M7',
    title: 'the leader counts itself before its own fsync',
    edits: [
      inRaft(
        'leader',
        'if (node === config.id) return log.durableIndex;',
        'if (node === config.id) return log.last.index;',
      ),
    ],
  },
  {
    id: 'M8',
    title: 'a follower acknowledges before its fsync',
    edits: [
      inRaft(
        'follower',
        'if (hardState.isTermDurable && matchIndex <= log.durableIndex) {',
        'if (hardState.isTermDurable) {',
      ),
    ],
  },
  {
    id: 'M9',
    title: 'a follower acknowledges its last entry instead of the last that matched',
    edits: [
      EMPTY_PROBES,
      inRaft(
        'log/append-entries',
        "return { kind: 'matched', matchIndex: previous.index };",
        "return { kind: 'matched', matchIndex: log.last.index };",
      ),
    ],
  },
  {
    id: 'M10',
    title: 'every append truncates, not only one that conflicts',
    edits: [
      inRaft(
        'log/append-entries',
        'let previous: LogPosition = {',
        'if (log.last.index > previousIndex) log.truncate({ index: previousIndex, term: previousTerm, chain: previousChain });\n  let previous: LogPosition = {',
      ),
    ],
  },
  {
    id: 'M11',
    title: 'a stale rejection takes next back to or below match',
    edits: [
      inRaft(
        'tracker/progress',
        'if (rejectedIndex <= this.#matchIndex || rejectedIndex >= this.#nextIndex) return;',
        'if (rejectedIndex >= this.#nextIndex) return;',
      ),
      inRaft(
        'tracker/progress',
        'this.#becomeProbe(logIndex(Math.max(next, this.#matchIndex + 1)));',
        'this.#becomeProbe(logIndex(Math.max(next, 1)));',
      ),
    ],
  },
  {
    id: 'M12',
    title: "the leader's commit index is taken beyond what the append covered",
    edits: [
      EMPTY_PROBES,
      inRaft(
        'log/append-entries',
        'log.commitTo(logIndex(Math.min(request.commitIndex, previous.index)));',
        'log.commitTo(logIndex(Math.min(request.commitIndex, log.last.index)));',
      ),
    ],
  },
  {
    id: 'M13',
    title: 'a read is served without a quorum round',
    edits: [
      inRaft(
        'read-index/read-rounds',
        'if (round === undefined || confirmed < round.heartbeats) return [];',
        'if (round === undefined) return [];',
      ),
    ],
  },
  {
    id: 'M14',
    title: 'a read is served before an entry of the own term is committed',
    edits: [
      inRaft(
        'leader',
        'return this.#reads.canStart && this.#steering.hasCommitted;',
        'return this.#reads.canStart;',
      ),
    ],
  },
  {
    id: 'M15',
    title: 'answers to an earlier round confirm the current one',
    edits: [
      inRaft(
        'read-index/read-rounds',
        'if (round === undefined || confirmed < round.heartbeats) return [];',
        'if (round === undefined || confirmed < round.heartbeats - 1) return [];',
      ),
    ],
  },
  {
    id: 'M16',
    title: 'a lease is longer than those who gave it hold still',
    edits: [inRaft('read-index/lease', 'const LEASE_SHARE = 0.9;', 'const LEASE_SHARE = 5;')],
  },
  {
    id: 'B54',
    title: 'a preferred voter takes over at once',
    edits: [
      inRaft(
        'membership/preference',
        'return tick - since >= this.#state.config.yieldTicks;',
        'return tick >= since;',
      ),
    ],
  },
  {
    id: 'M31',
    title: 'a pre-vote raises the term of who is asked',
    edits: [
      inRaft(
        'roles',
        '#onPreVoteRequest(request: PreVoteRequest): void {',
        '#onPreVoteRequest(request: PreVoteRequest): void {\n    if (request.term > this.#term) this.#becomeFollower(request.term, undefined);',
      ),
    ],
  },
  {
    id: 'M33',
    title: 'a leader without a majority goes on leading',
    edits: [inRaft('leader', 'if (!membership.quorum.isReached(isHeard)) return false;', '')],
  },
  {
    id: 'M37',
    title: 'what is durable is not cut with the log',
    edits: [
      inRaft('log/raft-log', 'this.#writes.truncate(last.index);', ''),
      inRaft(
        'log/raft-log',
        'this.#durableIndex = logIndex(Math.min(this.#durableIndex, last.index));',
        '',
      ),
    ],
  },
  {
    id: 'M38',
    title: 'answers of an earlier term count for the current one',
    edits: [
      inRaft(
        'roles',
        'return response.term === this.#term;',
        'return response.term <= this.#term;',
      ),
    ],
  },
];
