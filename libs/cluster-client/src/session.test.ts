import fc from 'fast-check';
import { InvariantError } from '@kvstore/std';
import { Session } from './session.ts';

describe('a session', () => {
  test('numbers batches from 1 and keeps doneBelow at the lowest that may be sent again', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 200 }), (choices) => {
        const session = new Session(1);
        const outstanding: number[] = [];
        let next = 1;
        for (const choice of choices) {
          if (choice % 2 === 0 || outstanding.length === 0) {
            const batchNo = session.begin();
            expect(batchNo).toBe(next++);
            outstanding.push(batchNo);
          } else {
            session.end(outstanding.splice(choice % outstanding.length, 1)[0]!);
          }
          expect(session.doneBelow).toBe(
            outstanding.length === 0 ? next : Math.min(...outstanding),
          );
        }
      }),
    );
  });

  test('is full when one more batch could fall out of the state machine’s window', () => {
    const session = new Session(1);
    const first = session.begin();
    let begun = 1;
    while (!session.full) {
      session.begin();
      begun += 1;
    }
    expect(begun).toBe(4095);
    expect(() => session.begin()).toThrow(InvariantError);
    session.end(first);
    expect(session.full).toBe(false);
  });

  test('ending a batch twice is a bug', () => {
    const session = new Session(1);
    session.end(session.begin());
    expect(() => session.end(1)).toThrow(InvariantError);
  });
});
