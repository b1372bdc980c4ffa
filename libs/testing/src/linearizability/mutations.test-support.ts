/**
 * Ways to make a linearizable history wrong, so that no order can explain it. Each finds the places
 * where it certainly would be wrong, and answers undefined when there is none.
 */
import type { SeededRandom } from '@kvstore/std';
import type { Found, GetOperation, NotFound, Operation, PutOperation, Written } from './history.ts';

type Mutation = (history: readonly Operation[], random: SeededRandom) => Operation[] | undefined;

type FoundRead = GetOperation & { readonly result: Found };
type AbsentRead = GetOperation & { readonly result: NotFound };
type Acknowledged = PutOperation & { readonly result: Written };

export const mutations: Readonly<Record<string, Mutation>> = {
  'a read of a value that was overwritten before the read': (history, random) => {
    const stale = pairs(history.filter(isFound), history.filter(isAcknowledged), (read, put) => {
      return put.key === read.key && put.return < read.call && put.result.version > 1;
    });
    return pick(stale, random, ([read, put]) => {
      const before = history.find(
        (each): each is FoundRead =>
          isFound(each) && each.key === put.key && each.result.modRevision < put.result.revision,
      );
      if (before === undefined) return undefined;
      return replace(history, read, {
        result: { ...before.result, revision: read.result.revision },
      });
    });
  },

  'a put that a read does not see': (history, random) => {
    const keys = new Set(history.filter((each) => each.kind === 'delete').map(({ key }) => key));
    const blind = pairs(
      history.filter((each) => each.kind === 'get'),
      history.filter(isAcknowledged),
      (read, put) => put.key === read.key && put.return < read.call && !keys.has(read.key),
    );
    return pick(blind, random, ([read]) => {
      const revision = 'revision' in read.result ? read.result.revision : 1_000_000;
      return replace(history, read, { result: { kind: 'not-found', revision } });
    });
  },

  'a put that was applied again later': (history, random) => {
    const known = new Set(history.filter(isAcknowledged).map(({ value }) => value));
    const reads = history.filter(isFound).filter(({ result }) => known.has(result.value));
    return pick(reads, random, (read) => {
      const { version, modRevision } = read.result;
      const again = { version: version + 1, modRevision: modRevision + 1 };
      const revision = Math.max(read.result.revision, again.modRevision);
      return replace(history, read, { result: { ...read.result, ...again, revision } });
    });
  },

  'a put that was refused and is read': (history, random) => {
    const read = new Set(history.filter(isFound).map(({ result }) => result.value));
    const puts = history.filter(isAcknowledged).filter(({ value }) => read.has(value));
    return pick(puts, random, (put) =>
      replace(history, put, { result: { kind: 'not-applied', code: 'OVERLOADED' } }),
    );
  },

  'a put that is read and was never called': (history, random) => {
    const read = new Set(history.filter(isFound).map(({ result }) => result.value));
    const puts = history.filter(isAcknowledged).filter(({ value }) => read.has(value));
    return pick(puts, random, (put) => history.filter((each) => each !== put));
  },

  'a read before the put of its value': (history, random) => {
    const seen = pairs(history.filter(isFound), history.filter(isPut), (read, put) => {
      return put.value === read.result.value;
    });
    return pick(seen, random, ([read, put]) =>
      replace(history, read, { call: put.call - 2, return: put.call - 1 }),
    );
  },

  'two reads, one after the other, whose answers are exchanged': (history, random) => {
    const reads = history.filter(isFound);
    const ordered = pairs(reads, reads, (first, second) => {
      const differ = first.result.modRevision !== second.result.modRevision;
      return first.key === second.key && first.return < second.call && differ;
    });
    return pick(ordered, random, ([first, second]) =>
      replace(replace(history, first, { result: second.result }), second, { result: first.result }),
    );
  },

  'a compare-and-set that succeeded on an older revision': (history, random) => {
    const later = history.filter(isAcknowledged).filter(({ result }) => result.version > 2);
    return pick(later, random, (put) => {
      const older = history.find(
        (each): each is Acknowledged =>
          isAcknowledged(each) &&
          each.key === put.key &&
          each.result.revision < put.result.revision &&
          each.result.version !== put.result.version - 1,
      );
      if (older === undefined) return undefined;
      const condition = { kind: 'mod-revision', modRevision: older.result.revision } as const;
      return replace(history, put, { condition });
    });
  },

  'a condition that is said to have failed and held': (history, random) => {
    const conditional = history.filter(isAcknowledged).filter((put) => put.result.version > 1);
    return pick(conditional, random, (put) => {
      const { version, revision } = put.result;
      const condition = { kind: 'mod-revision', modRevision: revision } as const;
      const failed = {
        kind: 'condition-failed',
        version,
        modRevision: revision,
        revision,
      } as const;
      return replace(history, put, { condition, result: failed });
    });
  },

  'one revision for two puts': (history, random) => {
    const puts = history.filter(isAcknowledged);
    const two = pairs(puts, puts, (one, other) => one !== other);
    return pick(two, random, ([one, other]) =>
      replace(history, one, { result: { ...one.result, revision: other.result.revision } }),
    );
  },

  'two puts, one after the other, whose revisions are exchanged': (history, random) => {
    const puts = history.filter(isAcknowledged);
    const ordered = pairs(puts, puts, (first, second) => first.return < second.call);
    return pick(ordered, random, ([first, second]) => {
      const [early, late] = [first.result.revision, second.result.revision];
      const swapped = replace(history, first, { result: { ...first.result, revision: late } });
      return replace(swapped, second, { result: { ...second.result, revision: early } });
    });
  },

  'a read of another key behind an acknowledged put': (history, random) => {
    const behind = pairs(history.filter(isAbsent), history.filter(isAcknowledged), (read, put) => {
      return put.key !== read.key && put.return < read.call;
    });
    return pick(behind, random, ([read, put]) => {
      const revision = put.result.revision - 1;
      return replace(history, read, { result: { ...read.result, revision } });
    });
  },

  'a delete of nothing that claims the revision of a put': (history, random) => {
    const deletes = history.filter((each) => each.kind === 'delete');
    const empty = pairs(deletes, history.filter(isAcknowledged), ({ result }, put) => {
      const nothing = result.kind === 'deleted' && result.existed === false;
      return nothing && result.revision === put.result.revision;
    });
    return pick(empty, random, ([each, put]) => {
      const { revision } = put.result;
      return replace(history, each, { result: { kind: 'deleted', revision, existed: true } });
    });
  },
};

function isPut(operation: Operation): operation is PutOperation {
  return operation.kind === 'put';
}

function isAcknowledged(operation: Operation): operation is Acknowledged {
  return operation.kind === 'put' && operation.result.kind === 'written';
}

function isFound(operation: Operation): operation is FoundRead {
  return operation.kind === 'get' && operation.result.kind === 'found';
}

function isAbsent(operation: Operation): operation is AbsentRead {
  return operation.kind === 'get' && operation.result.kind === 'not-found';
}

function pairs<A, B>(
  some: readonly A[],
  others: readonly B[],
  match: (one: A, other: B) => boolean,
): (readonly [A, B])[] {
  return some.flatMap((one) =>
    others.filter((other) => match(one, other)).map((other) => [one, other] as const),
  );
}

function pick<Place>(
  places: readonly Place[],
  random: SeededRandom,
  mutate: (place: Place) => Operation[] | undefined,
): Operation[] | undefined {
  return places.length === 0 ? undefined : mutate(places[random.below(places.length)] as Place);
}

function replace(
  history: readonly Operation[],
  operation: Operation,
  change: Partial<Omit<PutOperation, 'result'>> & { readonly result?: Operation['result'] },
): Operation[] {
  return history.map((each) =>
    each === operation ? ({ ...operation, ...change } as Operation) : each,
  );
}
