/** Seeded bugs of who takes part. */
import type { Edit, Mutant } from './mutant.ts';

const inRaft = (file: string, find: string, replace: string): Edit => ({
  file: `libs/raft/src/${file}.ts`,
  find,
  replace,
});

export const MEMBERSHIP_MUTANTS: readonly Mutant[] = [
  {
    id: 'M22',
    title: 'the base of a log that is cut keeps the configuration of the one before',
    edits: [
      inRaft(
        'log/raft-log',
        'const { configuration } = this.configurations.at(index);',
        'const { configuration } = this.#base;',
      ),
    ],
  },
  {
    id: 'M17',
    title: 'votes of a joint configuration are counted over the union of its halves',
    edits: [
      inRaft(
        'quorum/joint',
        'const incoming = this.#incoming.voteResult(votes);',
        'if (this.#outgoing !== undefined) return new MajorityQuorum(this.voters).voteResult(votes);\n    const incoming = this.#incoming.voteResult(votes);',
      ),
    ],
  },
  {
    id: 'M18',
    title: 'commits of a joint configuration ask its new half only',
    edits: [
      inRaft(
        'quorum/joint',
        'return Math.min(incoming, this.#outgoing.reached(valueOf));',
        'return incoming;',
      ),
    ],
  },
  {
    id: 'M19',
    title: 'members change before an entry of the own term is committed',
    edits: [
      inRaft(
        'membership/steering',
        "if (!this.hasCommitted) return { kind: 'refused', reason: 'not-ready' };",
        '',
      ),
    ],
  },
  {
    id: 'M20',
    title: 'a candidate counts by the last configuration it knows to be committed',
    edits: [
      inRaft(
        'candidate',
        'const { quorum } = this.#state.membership;',
        'const { log } = this.#state;\n    const { voters, outgoing } = log.configurations.at(log.commitIndex).configuration;\n    const quorum = new JointQuorum(voters, outgoing);',
      ),
      inRaft(
        'candidate',
        "import type { VoteResult } from './quorum/majority.ts';",
        "import { JointQuorum } from './quorum/joint.ts';\nimport type { VoteResult } from './quorum/majority.ts';",
      ),
    ],
  },
  {
    id: 'M21',
    title: 'learners count',
    edits: [
      inRaft(
        'membership/membership',
        'function quorumFor({ voters, outgoing }: Configuration): JointQuorum {\n  return new JointQuorum(voters, outgoing);',
        'function quorumFor({ voters, outgoing, learners, joining }: Configuration): JointQuorum {\n  return new JointQuorum([...voters, ...learners, ...joining], outgoing);',
      ),
    ],
  },
  {
    id: 'M32',
    title: 'a removed node goes on standing for election, and is listened to',
    edits: [
      inRaft(
        'membership/membership',
        'if (votesIn(this.configuration, node)) return true;',
        'if (votesIn(this.configuration, node) || this.configuration.removed.includes(node)) return true;',
      ),
      inRaft(
        'membership/membership',
        'if (configuration.removed.length === 0) return false;',
        'if (index >= 0) return false;',
      ),
    ],
  },
  {
    id: 'B11',
    title: 'a learner is promoted whatever its storage holds',
    edits: [
      inRaft(
        'membership/promotion',
        'return membership.storageOf(node) >= membership.changePoint(log);',
        'return membership.storageOf(node) >= 0;',
      ),
    ],
  },
  {
    id: 'B48',
    title: 'changes of voters do not ask storages for what earlier leaders may have told',
    edits: [
      inRaft(
        'membership/membership',
        'return logIndex(Math.max(this.cutPoint(log), this.#toldBefore));',
        'return this.cutPoint(log);',
      ),
    ],
  },
  {
    id: 'B12',
    title: 'logs may be cut at what some live storage holds, not at what a majority does',
    edits: [
      inRaft(
        'membership/membership',
        'return quorum.reached((voter) => this.storageOf(voter));',
        'return Math.max(0, ...quorum.voters.map((voter) => this.storageOf(voter)));',
      ),
    ],
  },
  {
    id: 'B13',
    title: 'a configuration stays when its entry is cut off',
    edits: [inRaft('log/raft-log', 'this.configurations.truncate(last.index);', '')],
  },
  {
    id: 'B14',
    title: 'voters change without a joint configuration between',
    edits: [
      inRaft(
        'membership/steering',
        "    return { kind: 'appended', ...this.#append(next) };",
        "    return { kind: 'appended', ...this.#append(left(next)) };",
      ),
    ],
  },
  {
    id: 'B15',
    title: 'members change while another change is not committed',
    edits: [
      inRaft(
        'membership/steering',
        'if (index > log.commitIndex || isJoint(configuration)) {',
        'if (index > log.commitIndex && isJoint(configuration)) {',
      ),
    ],
  },
];
