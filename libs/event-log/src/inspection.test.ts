import { logIndex } from '@kvstore/std';
import { Loss, lossOf } from './inspection.ts';
import type { StreamEnd, StreamFacts } from './log-streams.ts';

const whole: StreamFacts = {
  kind: 'stream',
  created: 'once',
  firstSequence: 1,
  lastSequence: 7,
  messages: 7,
  takesSubject: true,
};
const known: StreamEnd = { created: 'once', sequence: 7, next: logIndex(70) };

test.each<[string, Partial<StreamFacts>, StreamEnd | undefined, Loss | undefined]>([
  ['as it was', {}, known, undefined],
  ['longer than it was', { lastSequence: 9, messages: 9 }, known, undefined],
  ['met for the first time', {}, undefined, undefined],
  ['new', { firstSequence: 0, lastSequence: 0, messages: 0 }, undefined, undefined],
  ['made again', { created: 'later' }, known, Loss.recreated],
  ['shorter than it was', { lastSequence: 6, messages: 6 }, known, Loss.shrunk],
  ['purged', { firstSequence: 8, messages: 0 }, known, Loss.emptied],
  ['without its first message', { firstSequence: 2, messages: 6 }, known, Loss.holes],
  ['without a message in its midst', { messages: 6 }, undefined, Loss.holes],
  ['on another subject', { takesSubject: false }, known, Loss.diverted],
])('a stream %s', (_, facts, end, loss) => {
  expect(lossOf({ ...whole, ...facts }, end)).toBe(loss);
});
