/**
 * Ends the children when the supervisor cannot: a shell of its own session that holds the read end
 * of a pipe. Its arguments, and then every line, are the whole list of process groups that live; at
 * the end of the pipe, which comes however the supervisor ended, it kills those of the last list.
 *
 * Children that have ended are taken off the list at once, so a number that the system has given to
 * somebody else is not on it.
 */
import { type ChildProcess, spawn } from 'node:child_process';

const SCRIPT = `
trap '' INT TERM HUP QUIT
groups=$*
while read -r line; do groups=$line; done
for group in $groups; do kill -s KILL -- "-$group"; done
`;

export class Sentinel {
  #groups: readonly number[] = [];
  #shell: ChildProcess;
  #released = false;

  constructor() {
    this.#shell = this.#spawn();
  }

  watch(groups: readonly number[]): void {
    this.#groups = groups;
    this.#shell.stdin?.write(`${groups.join(' ')}\n`);
  }

  /** Nothing is killed any more. */
  release(): void {
    this.#released = true;
    this.#shell.stdin?.end('\n');
  }

  #spawn(): ChildProcess {
    const name = 'kvstore-cluster-sentinel';
    const shell = spawn('/bin/sh', ['-c', SCRIPT, name, ...this.#groups.map(String)], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    // Why: the pipe breaks when somebody kills the shell, and then there is a new one.
    shell.stdin.on('error', () => undefined);
    shell.once('exit', () => {
      if (this.#released) return;
      this.#shell = this.#spawn();
    });
    return shell;
  }
}
