/** The states of a fence: what may be done in each, and on which ways it is left. */
import { Fence } from './fence.ts';

const [why, more] = [new Error('a block has a wrong checksum'), new Error('another one')];

const STEPS: Readonly<Record<string, (fence: Fence) => unknown>> = {
  'fence, keeping': (fence) => fence.fence(why, true),
  'fence, empty': (fence) => fence.fence(why, false),
  attend: (fence) => fence.state.kind === 'found' && fence.attend(),
  'let pull': (fence) => !fence.keeps && fence.letPull(),
  'caught up': (fence) => fence.caughtUp(),
  'begin replacing': (fence) => fence.beginReplacing(),
  'end replacing': (fence) => fence.endReplacing(),
  'replaced by a snapshot': (fence) => fence.replaced('snapshot'),
  'replaced by nothing': (fence) => fence.replaced('nothing'),
};

const may = ({ takes, pulls, serves }: Fence): string =>
  [takes && 'takes', pulls && 'pulls', serves && 'serves'].filter(Boolean).join(' ');

test('on every way of five steps: who serves pulls, who pulls takes, what is kept is not touched', () => {
  const names = Object.keys(STEPS);
  const allowed = new Set(['', 'takes', 'takes pulls', 'takes pulls serves']);
  for (let way = 0; way < names.length ** 5; way++) {
    const fence = new Fence();
    for (let rest = way, step = 0; step < 5; step++, rest = Math.floor(rest / names.length)) {
      const name = names[rest % names.length]!;
      const before = fence.state.kind;
      const tells = STEPS[name]!(fence) === true;
      const after: string = fence.state.kind;
      const rights = may(fence);
      if (!allowed.has(rights)) throw new Error(`${after} may only: ${rights}`);
      if (fence.keeps && rights !== '') throw new Error('what is kept is touched');
      if (before === 'found' && after !== 'found' && name !== 'attend') {
        throw new Error(`${name} leaves damage unattended`);
      }
      const became = before !== 'sound' && after === 'sound';
      if (tells !== became) throw new Error(`${name}: from ${before} to ${after}`);
    }
  }
});

test('a snapshot makes it sound', () => {
  const fence = new Fence();
  fence.fence(why, true);
  expect(may(fence)).toBe('');
  expect(fence.attend()).toBe(why);
  fence.beginReplacing();
  fence.endReplacing();
  expect(fence.replaced('snapshot')).toBe(true);
  expect(may(fence)).toBe('takes pulls serves');
});

test('without one it is emptied, pulls, and is sound when it has caught up', () => {
  const fence = new Fence();
  fence.fence(why, true);
  fence.attend();
  expect(fence.caughtUp()).toBe(false);
  expect(fence.replaced('nothing')).toBe(false);
  expect(may(fence)).toBe('takes');
  fence.letPull();
  expect(may(fence)).toBe('takes pulls');
  expect(fence.why).toBe(why);
  expect(fence.caughtUp()).toBe(true);
  expect(may(fence)).toBe('takes pulls serves');
});

test('the log is never applied to what is kept', () => {
  const fence = new Fence();
  fence.fence(why, true);
  fence.attend();
  expect(() => fence.letPull()).toThrow('the log is applied to what is damaged');
});

test('who pulls is sound as well when a snapshot overtakes the log', () => {
  const fence = new Fence();
  fence.fence(why, false);
  fence.attend();
  fence.letPull();
  expect(fence.replaced('snapshot')).toBe(true);
});

test('what is found while the store is replaced is of what it held, and is attended to', () => {
  const fence = new Fence();
  fence.fence(why, true);
  fence.attend();
  fence.beginReplacing();
  fence.fence(more, true);
  fence.endReplacing();
  expect(fence.replaced('snapshot')).toBe(false);
  expect(fence.state).toEqual({ kind: 'found', why: more, keeps: false });
  expect(may(fence)).toBe('takes');
  expect(fence.attend()).toBe(more);
});

test('while a sound store is replaced nothing may be done with it', () => {
  const fence = new Fence();
  fence.beginReplacing();
  expect(may(fence)).toBe('');
  fence.endReplacing();
  expect(may(fence)).toBe('takes pulls serves');
});
