/** Opens a `SegmentedLog`: the small files beside the segments, recovery, and what damage leads to. */
import { assert } from '@kvstore/std';
import { LogError } from '@kvstore/sequencer';
import { Damage } from './damage.ts';
import { createDurableMark, DURABLE_MARK_FILE, openDurableMark } from './durable-mark.ts';
import type { DurableMark } from './durable-mark.ts';
import { DurableNote } from './durable-note.ts';
import { createLogBase, LOG_BASE_FILE, openLogBase } from './log-base-file.ts';
import type { LogBaseFile } from './log-base-file.ts';
import { recoverSegments } from './log-recovery.ts';
import { SegmentedLog } from './segmented-log.ts';
import type { SegmentedLogOptions, SideFiles } from './segmented-log.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';
import { joinPath } from './slot-file.ts';

const SEGMENT_BYTES = 16 << 20;

/**
 * Recovers the log and has room made. Resolves also when the file system is full (`spaceError`), but
 * for a log that is new: then it rejects. Rejects with `LogError` LOG_CORRUPT or LOG_FOREIGN, or with
 * `DiskError`.
 */
export async function openSegmentedLog(options: SegmentedLogOptions): Promise<SegmentedLog> {
  const { disk, directory, segmentBytes = SEGMENT_BYTES } = options;
  assert(segmentBytes % 4096 === 0 && segmentBytes > SEGMENT_HEADER_BYTES, 'segmentBytes');
  await disk.makeDirectory(directory);
  const names = await disk.list(directory);
  const damage = new Damage(options.onDamage);
  const open: { close(): Promise<void> }[] = [];
  let fail: (error: unknown) => void = () => undefined;
  try {
    // Why before anything else: once it exists, an empty log is told from a lost one.
    const mark = await openMark(options, names, damage);
    open.push(mark);
    const base = await openBase(options, names, damage);
    open.push(base);
    const note = await DurableNote.open(disk, directory, options.timers, (error) => fail(error));
    open.push(note);
    const log = await recover({ ...options, segmentBytes }, { mark, base, note }, damage);
    fail = (error) => log.fail(error);
    open.length = 0;
    await log.start();
    return log;
  } catch (error) {
    for (const file of open) await file.close();
    throw error;
  }
}

async function recover(
  options: SegmentedLogOptions & { readonly segmentBytes: number },
  files: SideFiles,
  damage: Damage,
): Promise<SegmentedLog> {
  const { disk, directory, label } = options;
  const { mark, note, base } = files;
  const durable = Math.max(mark.sequence, note.found);
  const recovered = await recoverSegments(disk, directory, label, durable, base.stored, damage);
  if (damage.error !== undefined) {
    // Why last: until then a crash leaves a log that ends below its mark, which is damage again.
    await note.reset(recovered.nextSequence - 1);
    await mark.reset(recovered.nextSequence - 1);
  }
  return new SegmentedLog(options, recovered, files, damage.error?.message);
}

async function openMark(
  { disk, directory, label, mustExist }: SegmentedLogOptions,
  names: readonly string[],
  damage: Damage,
): Promise<DurableMark> {
  const path = joinPath(directory, DURABLE_MARK_FILE);
  if (names.includes(DURABLE_MARK_FILE)) {
    // Why: the name of a mark found after a kill may be in the page cache only.
    await disk.syncDirectory(directory);
    const opened = await readable(openDurableMark(disk, directory, label), damage);
    if (opened !== undefined) return opened;
  } else if (mustExist === true || names.some(belongsToUsedLog)) {
    const what = `${path} is missing from a log that has been in use`;
    await damage.accept(new LogError('LOG_CORRUPT', what));
  }
  return createDurableMark(disk, directory, label);
}

async function openBase(
  { disk, directory, label }: SegmentedLogOptions,
  names: readonly string[],
  damage: Damage,
): Promise<LogBaseFile> {
  const opened = names.includes(LOG_BASE_FILE)
    ? await readable(openLogBase(disk, directory, label), damage)
    : undefined;
  return opened ?? createLogBase(disk, directory, label);
}

function belongsToUsedLog(name: string): boolean {
  return name.endsWith('.log') || name === LOG_BASE_FILE;
}

/** Undefined when it is damaged, and may be made anew. */
async function readable<File>(opening: Promise<File>, damage: Damage): Promise<File | undefined> {
  try {
    return await opening;
  } catch (error) {
    await damage.accept(error);
    return undefined;
  }
}
