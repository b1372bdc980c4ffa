/** The last line of a log that says something to a person, read from its end. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const READ_BYTES_MAX = 16 * 1024;
const SHOWN_LENGTH_MAX = 500;

/** Stack frames, and what Node prints around an error that nobody caught, are passed over. */
const NOISE = /^(\s|Node\.js v|\}?$)/;

/** Of what was written since `offset`; undefined when there is nothing. */
export function lastLine(path: string, offset: number): string | undefined {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const start = Math.max(offset, size - READ_BYTES_MAX);
    const bytes = Buffer.alloc(Math.max(0, size - start));
    readSync(file, bytes, 0, bytes.length, start);
    const lines = bytes.toString('utf8').split('\n');
    return lines.findLast((line) => !NOISE.test(line))?.slice(0, SHOWN_LENGTH_MAX);
  } finally {
    closeSync(file);
  }
}
