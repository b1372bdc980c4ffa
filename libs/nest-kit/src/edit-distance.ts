/** The nearest of some known names to a mistyped one, for error messages (Levenshtein 1966). */

/** Insertions, deletions and replacements that turn `a` into `b`, ignoring case. */
export function editDistance(a: string, b: string): number {
  const from = a.toLowerCase();
  const to = b.toLowerCase();
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replace = (previous[column - 1] as number) + (from[row - 1] === to[column - 1] ? 0 : 1);
      const remove = (previous[column] as number) + 1;
      const insert = (current[column - 1] as number) + 1;
      current.push(Math.min(replace, remove, insert));
    }
    previous = current;
  }
  return previous[to.length] as number;
}

const COMPARED_LENGTH_MAX = 64;

/** The first of the nearest; undefined only when `known` is empty. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  const compared = name.slice(0, COMPARED_LENGTH_MAX);
  let nearest: string | undefined;
  let nearestDistance = Infinity;
  for (const candidate of known) {
    const distance = editDistance(compared, candidate);
    if (distance < nearestDistance) {
      nearest = candidate;
      nearestDistance = distance;
    }
  }
  return nearest;
}
