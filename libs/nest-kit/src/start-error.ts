/**
 * Why a process could not start, as one line for a person: what is wrong and what to do about it.
 *
 * Expected causes (a port in use, a data directory of another cluster, a mistyped option) print that
 * line and nothing else, and the exit code is 1. Anything unexpected is a bug and prints its stack.
 */
import { DiskError, InvariantError } from '@kvstore/std';
import { errorCode } from './system-error.ts';

export type StartErrorCode =
  | 'CONFIGURATION'
  | 'PORT_IN_USE'
  | 'ADDRESS_UNAVAILABLE'
  | 'DATA_DIR_IN_USE'
  | 'DATA_DIR_NOT_WRITABLE'
  | 'DATA_DIR_OF_ANOTHER_CLUSTER'
  | 'DATA_DIR_DAMAGED'
  | 'DISK_FULL'
  | 'NAME_IN_USE'
  | 'NATS_UNREACHABLE'
  | 'NATS_REFUSED'
  | 'NATS_UNSUITABLE'
  | 'CANNOT_START';

export class StartError extends Error {
  override readonly name = 'StartError';
  readonly code: StartErrorCode;
  /** What the reader should do, one sentence. */
  readonly remedy: string;

  constructor(code: StartErrorCode, message: string, remedy: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.remedy = remedy;
  }
}

/** The line for standard error, without a line break inside. */
export function startErrorLine(error: StartError): string {
  return `kvstore: ${error.message} (${error.code}). ${error.remedy}`.replace(
    /\s*[\r\n]+\s*/g,
    ' ',
  );
}

/** A `StartError` for a known cause, undefined for anything that may be a bug. */
export function asStartError(error: unknown): StartError | undefined {
  if (error instanceof StartError) return error;
  if (error instanceof InvariantError) return undefined;
  if (error instanceof DiskError) return fromDiskError(error);
  return undefined;
}

/** For `listen` failures: Node's error names the system call's code, we name the option. */
export function listenError(error: unknown, what: string, host: string, port: number): StartError {
  const code = errorCode(error);
  const address = `${host}:${port}`;
  switch (code) {
    case 'EADDRINUSE':
      return new StartError(
        'PORT_IN_USE',
        `${what} cannot listen on ${address}: the port is in use`,
        `Stop the other process or choose another port for ${what}.`,
        error,
      );
    case 'EACCES':
      return new StartError(
        'ADDRESS_UNAVAILABLE',
        `${what} may not listen on ${address}: permission denied`,
        'Choose a port above 1023, or run with the permission to bind it.',
        error,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new StartError(
        'ADDRESS_UNAVAILABLE',
        `${what} cannot listen on ${address}: this machine does not have that address`,
        'Set host to an address of this machine, e.g. 127.0.0.1 or 0.0.0.0.',
        error,
      );
    default:
      return new StartError(
        'ADDRESS_UNAVAILABLE',
        `${what} cannot listen on ${address}: ${code ?? 'unknown error'}`,
        'Check host and port.',
        error,
      );
  }
}

/**
 * Runs a process's `main`. A rejection ends the process with exit code 1: one line for a
 * `StartError`, the whole stack for a bug.
 */
export async function runMain(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    const known = asStartError(error);
    process.stderr.write(
      known === undefined ? `${unexpected(error)}\n` : `${startErrorLine(known)}\n`,
    );
    process.exit(1);
  }
}

function fromDiskError(error: DiskError): StartError {
  switch (error.code) {
    case 'NOT_WRITABLE':
      return new StartError(
        'DATA_DIR_NOT_WRITABLE',
        error.message,
        'Give this user write permission on the data directory, or set data_dir to another one.',
        error,
      );
    case 'DISK_FULL':
      return new StartError(
        'DISK_FULL',
        error.message,
        'Free space on the disk of data_dir.',
        error,
      );
    case 'NOT_FOUND':
    case 'EXISTS':
    case 'IO':
      return new StartError('CANNOT_START', error.message, 'Check the disk of data_dir.', error);
  }
}

function unexpected(error: unknown): string {
  return `kvstore: cannot start, this is a bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}
