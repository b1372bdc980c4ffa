/** What happens in one seed, a line per event that says something, in fixed columns. */
import type { LogLine } from './run-seed.ts';

const LEGEND = `# ms        simulated milliseconds since the beginning
# who       the process, or nothing for a fault
# what      start, recovered, stopped: the process · leader, candidate, pre-candidate, follower: its
#           role after a change of role, term or commit index · fault: what was done to the cluster
#
`;

export function seedLog(write: (text: string) => void, seed: number): LogLine {
  write(
    `# seed ${seed}\n${LEGEND}#${'ms'.padStart(9)}  ${'who'.padEnd(13)} ${'what'.padEnd(13)} detail\n`,
  );
  return (ms, who, what, detail) => {
    write(`${ms.toFixed(3).padStart(10)}  ${who.padEnd(13)} ${what.padEnd(13)} ${detail}\n`);
  };
}
