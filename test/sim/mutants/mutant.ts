/**
 * A seeded bug: a change of the source as it is loaded into a simulation, never a switch in it. `find`
 * must stand in the file exactly once; when the code has moved on, the mutant is stale and says so.
 */
export interface Mutant {
  /** M1 to M40: of the specification; B…: of the same kind, for what this code base can get wrong. */
  readonly id: string;
  readonly title: string;
  readonly edits: readonly Edit[];
}

export interface Edit {
  /** From the root of the repository. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export class StaleMutantError extends Error {
  override readonly name = 'StaleMutantError';
}

export function applyEdit(source: string, { file, find, replace }: Edit, id: string): string {
  const parts = source.split(find);
  if (parts.length !== 2) {
    throw new StaleMutantError(`${id}: found ${parts.length - 1} times in ${file}: ${find}`);
  }
  return parts.join(replace);
}
