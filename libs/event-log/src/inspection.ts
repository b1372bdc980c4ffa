/**
 * Is a stream what this cluster wrote, all of it, and where does it go on?
 *
 * Whole: sequences from 1 without a hole, and a last message whose last entry is in our own log with
 * the same chain. Sequences are not trusted for more than that: what lies before the last message is
 * what was appended, one by one, each refused unless it came right after the one before.
 *
 * Anything else is a loss. Being unavailable is not: it says nothing about the stream.
 */
import type { FrameCodec, LogEntry } from '@kvstore/contract';
import type { ArchiveSource, ArchiveState } from '@kvstore/sequencer';
import { logIndex, nextChain } from '@kvstore/std';
import { openMessage } from './archive-message.ts';
import type { LogStreams, StreamEnd, StreamFacts, Unavailable } from './log-streams.ts';

export const Loss = {
  missing: 'missing',
  /** Made again under its name. */
  recreated: 'recreated',
  /** Under the name of a new epoch there is already a stream of somebody's. */
  occupied: 'occupied',
  /** It has had messages, or should have. */
  emptied: 'emptied',
  /** Messages at its end are gone. */
  shrunk: 'shrunk',
  /** Messages at its beginning or in its midst are gone. */
  holes: 'holes',
  /** It is there and takes our messages no longer. */
  diverted: 'diverted',
  /** Its last message is no frame of this cluster, or one of ours that does not belong there. */
  foreignMessage: 'foreign-message',
  /** It goes on beyond what is committed. */
  ahead: 'ahead',
  /** Another history: of a cluster of the same name. */
  otherChain: 'other-chain',
  /** The log was cut above its end. */
  overtaken: 'overtaken',
} as const;
export type Loss = (typeof Loss)[keyof typeof Loss];

export type Verdict =
  | { readonly kind: 'whole'; readonly end: StreamEnd }
  /** Without any message ever, as after its creation. */
  | { readonly kind: 'new'; readonly created: string }
  | { readonly kind: 'lost'; readonly loss: Loss }
  /** Our own log cannot tell just now. */
  | { readonly kind: 'undecided' }
  | Unavailable;

/** `known`: its end as acknowledged to us, when it was. */
export async function inspect(
  streams: LogStreams,
  frames: FrameCodec,
  source: ArchiveSource,
  state: ArchiveState,
  known: StreamEnd | undefined,
): Promise<Verdict> {
  const facts = await streams.look(state.epoch);
  if (facts.kind === 'unavailable') return facts;
  if (facts.kind === 'missing') return lost(Loss.missing);
  const loss = lossOf(facts, known);
  if (loss !== undefined) return lost(loss);
  const { created, lastSequence } = facts;
  if (lastSequence === 0) return { kind: 'new', created };

  const message = await streams.message(state.epoch, lastSequence);
  if (message.kind === 'unavailable') return message;
  if (message.kind === 'missing') return lost(Loss.holes);
  const last = openMessage(frames, message.data)?.at(-1);
  if (last === undefined) return lost(Loss.foreignMessage);
  // Why also what is ours: an older message that somebody copied to the end is authentic.
  if (known !== undefined && last.index + 1 < known.next) return lost(Loss.foreignMessage);
  if (message.streamCreated !== created) return lost(Loss.recreated);
  if (last.index > state.commitIndex) return lost(Loss.ahead);
  if (last.index + 1 < state.firstIndex) return lost(Loss.overtaken);
  const own = await isInLog(source, state, last);
  if (own === undefined) return { kind: 'undecided' };
  if (!own) return lost(Loss.otherChain);
  const next = logIndex(last.index + 1);
  return { kind: 'whole', end: { created, sequence: lastSequence, next } };
}

/** What the server's numbers alone give away. */
export function lossOf(facts: StreamFacts, known: StreamEnd | undefined): Loss | undefined {
  const { created, firstSequence, lastSequence, messages } = facts;
  if (known !== undefined && created !== known.created) return Loss.recreated;
  if (known !== undefined && lastSequence < known.sequence) return Loss.shrunk;
  if (messages === 0 && lastSequence > 0) return Loss.emptied;
  if (firstSequence > 1 || messages !== lastSequence) return Loss.holes;
  if (!facts.takesSubject) return Loss.diverted;
  return undefined;
}

/**
 * Whether our log has this entry, and so everything before it. Undefined: it is committed, and our
 * disk does not have it yet.
 */
async function isInLog(
  source: ArchiveSource,
  state: ArchiveState,
  entry: LogEntry,
): Promise<boolean | undefined> {
  const cutAway = entry.index < state.firstIndex;
  const [own] = await source.read(cutAway ? state.firstIndex : entry.index, 1);
  if (own === undefined) return undefined;
  if (!cutAway) return own.index === entry.index && own.chain === entry.chain;
  return own.chain === nextChain(entry.chain, own.index, own.term, own.kind, own.body);
}

function lost(loss: Loss): Verdict {
  return { kind: 'lost', loss };
}
