/**
 * What every service of a node is given by its composition root: who it is, and the ports it lives
 * on. One object, so that a module's factory takes one argument and nothing is looked up globally.
 */
import type { Lanes } from '@kvstore/contract';
import type { Clock, Disk, NodeId, Random, Timers } from '@kvstore/std';
import type { DataDirectory } from './data-directory.ts';

export interface NodeContext {
  readonly cluster: string;
  readonly group: string;
  readonly node: NodeId;
  /** Grows with every start of this data directory. */
  readonly incarnation: number;
  /** This member has taken part before: missing files are damage. */
  readonly established: boolean;
  readonly directory: DataDirectory;
  readonly secret: Uint8Array;
  /** The members that found the group; or, when this node is not among them, whom it asks. */
  readonly nodes: readonly NodeId[];
  readonly lanes: Lanes;
  /** Rooted at the node's data directory. */
  readonly disk: Disk;
  /** The same directory as an absolute path, for libraries that open files themselves. */
  readonly dataPath: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** The disk failed or an invariant broke: the process must stop without acknowledging more. */
  readonly onFatal: (error: unknown) => void;
}
