/** The limits of the public contract and of the data path. Bytes unless the name says otherwise. */
const KiB = 1024;

export const Limits = {
  keyBytesMax: 1024,
  /** Until values are split into chunks: one value must fit one batch and one entry. */
  valueBytesMax: 320 * KiB,
  contentTypeBytesMax: 255,
  tagsMax: 16,
  tagValueBytesMax: 256,
  /** 100 years: log time + ttl stays far below 2^53 and within what a date can say. */
  ttlMsMax: 36_500 * 86_400_000,
  /** Mod revisions that one condition may name. */
  conditionRevisionsMax: 64,
  idempotencyKeyBytesMax: 255,
  timeoutMsDefault: 5_000,
  timeoutMsMax: 60_000,
  /** A batch is cut when the next command would pass one of these; one command always fits. */
  batchBytesMax: 256 * KiB,
  batchCommandsMax: 512,
  /** An entry holds whole batches up to these; one batch always fits. */
  entryBytesMax: 384 * KiB,
  entryCommandsMax: 1024,
  /** NATS payloads stay below this (server default: 1 MiB). */
  frameBytesMax: 512 * KiB,
  /** One piece of a file of a snapshot. */
  snapshotPieceBytesMax: 256 * KiB,
  readBatchMax: 512,
  sessionBatchesMax: 4096,
} as const;
