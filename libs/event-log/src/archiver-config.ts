/** The archiver's bounds in time and bytes. */
import { Limits } from '@kvstore/contract';

export interface ArchiverConfig {
  /** How long entries are gathered after the archive was level with the log. */
  readonly lingerMs: number;
  /** How often this is looked for: leadership by who does not lead, entries by who is level. */
  readonly idlePauseMs: number;
  /** Of the entries of one message. */
  readonly messageBytesMax: number;
  /** Catching up takes no more of this process and of the server than this. */
  readonly bytesPerSecondMax: number;
  readonly callTimeoutMs: number;
  /** Full jitter below a bound that doubles from one to the other. */
  readonly retryMsMin: number;
  readonly retryMsMax: number;
  /** Above two election timeouts, within which a leader that is one no longer finds that out. */
  readonly confirmLossMs: number;
  /** How often the stream is inspected when nothing gives a reason to. */
  readonly inspectPeriodMs: number;
  readonly epochPauseMsMin: number;
  readonly epochPauseMsMax: number;
}

export const defaultArchiverConfig: ArchiverConfig = {
  lingerMs: 100,
  idlePauseMs: 500,
  messageBytesMax: Limits.entryBytesMax,
  bytesPerSecondMax: 64 * 1024 * 1024,
  callTimeoutMs: 5_000,
  retryMsMin: 200,
  retryMsMax: 5_000,
  confirmLossMs: 1_500,
  inspectPeriodMs: 10_000,
  epochPauseMsMin: 10_000,
  epochPauseMsMax: 600_000,
};
