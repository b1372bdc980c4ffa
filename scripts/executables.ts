/** Executable files by name. */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The first of these directories' files of this name that can be executed. */
export function findExecutable(name: string, directories: readonly string[]): string | undefined {
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

/** `path`: what PATH says; undefined: nothing. */
export function directoriesOf(path: string | undefined): readonly string[] {
  return (path ?? '').split(delimiter).filter((each) => each !== '');
}

export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
