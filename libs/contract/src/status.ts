/**
 * What a node's two services say of themselves, measured by them: the control plane's bodies are
 * JSON, since they are asked rarely and read by people.
 */
import { DecodeError, decodeUtf8, encodeUtf8 } from '@kvstore/std';

export interface ConsensusStatus {
  readonly node: string;
  readonly term: number;
  readonly role: string;
  readonly leader: string | undefined;
  readonly commitIndex: number;
  readonly lastIndex: number;
  readonly durableIndex: number;
  readonly logBytes: number;
  readonly logFirstIndex: number;
  /** Set while the log cannot be extended for want of disk space. */
  readonly spaceError: string | undefined;
  readonly progress: readonly {
    readonly node: string;
    readonly matchIndex: number;
    readonly healthy: boolean;
  }[];
}

export interface StorageStatus {
  readonly node: string;
  readonly appliedIndex: number;
  readonly durableIndex: number;
  readonly revision: number;
  readonly keys: number;
  /** Keys and values of live keys. */
  readonly bytes: number;
  readonly segments: number;
  readonly segmentBytes: number;
  readonly memtableBytes: number;
  readonly healthy: boolean;
  /** Set while flushing fails and is retried. */
  readonly flushError: string | undefined;
}

export function encodeStatus(status: ConsensusStatus | StorageStatus): Uint8Array {
  return encodeUtf8(JSON.stringify(status));
}

/** The frame's kind and MAC say what it is and that it is ours. */
export function decodeConsensusStatus(body: Uint8Array): ConsensusStatus {
  return parse(body) as ConsensusStatus;
}

export function decodeStorageStatus(body: Uint8Array): StorageStatus {
  return parse(body) as StorageStatus;
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(decodeUtf8(body));
  } catch (error) {
    if (error instanceof DecodeError || error instanceof SyntaxError) {
      throw new DecodeError('status is not JSON');
    }
    throw error;
  }
}
