/**
 * Logging: pino behind Nest's `LoggerService`. JSON lines, or short readable ones on a terminal, to
 * standard error, so that standard output carries only what a command prints on purpose.
 *
 * No line is written per request. Nest's own start-up lines (routes, modules) are `debug`.
 */
import type { LoggerService } from '@nestjs/common';
import { pino, type DestinationStream, type Level, type Logger as Pino } from 'pino';

export type LogLevel = Level;
export type LogFields = Readonly<Record<string, unknown>>;

/** What the rest of the code logs through; `KvLogger` satisfies it. */
export interface EventLog {
  event(level: LogLevel, message: string, fields?: LogFields): void;
}

const FRAMEWORK_CONTEXTS: ReadonlySet<string> = new Set([
  'InstanceLoader',
  'NestApplication',
  'NestFactory',
  'NestMicroservice',
  'RouterExplorer',
  'RoutesResolver',
]);

const START_CONTEXTS: ReadonlySet<string> = new Set(['ExceptionHandler', 'NestApplication']);

export class KvLogger implements LoggerService, EventLog {
  readonly #pino: Pino;

  constructor(level: LogLevel, destination: DestinationStream = standardError()) {
    this.#pino = pino(
      {
        level,
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: levelName },
      },
      destination,
    );
  }

  event(level: LogLevel, message: string, fields: LogFields = {}): void {
    this.#pino[level](fields, message);
  }

  log(message: unknown, ...rest: unknown[]): void {
    const context = rest.at(-1);
    const framework = typeof context === 'string' && FRAMEWORK_CONTEXTS.has(context);
    this.#write(framework ? 'debug' : 'info', message, rest);
  }

  /** What Nest logs of a failed start is thrown on as well, and reported by `main`. */
  error(message: unknown, ...rest: unknown[]): void {
    const thrownOn = START_CONTEXTS.has(String(rest.at(-1)));
    this.#write(thrownOn ? 'debug' : 'error', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.#write('warn', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.#write('debug', message, rest);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.#write('trace', message, rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.#write('fatal', message, rest);
  }

  /** Nest's convention: the last text is the context, a text before it a stack. */
  #write(level: LogLevel, message: unknown, rest: readonly unknown[]): void {
    const texts = rest.filter((value) => typeof value === 'string');
    const context = texts.at(-1);
    const stack = texts.length > 1 ? texts.at(0) : undefined;
    const fields = { ...(context && { context }), ...(stack && { stack }) };
    if (message instanceof Error) this.#pino[level]({ ...fields, err: message }, message.message);
    else this.#pino[level](fields, typeof message === 'string' ? message : JSON.stringify(message));
  }
}

function levelName(level: string): object {
  return { level };
}

function standardError(): DestinationStream {
  const output = pino.destination({ fd: 2, sync: true });
  return process.stderr.isTTY ? { write: (line) => output.write(readableLine(line)) } : output;
}

interface Line {
  readonly level: string;
  readonly time: string;
  readonly msg?: string;
  readonly err?: { readonly stack?: string };
}

/** `12:30:01.250 info  message field=value`, with an error's stack below. */
export function readableLine(json: string): string {
  const { level, time, msg, err, ...fields } = JSON.parse(json) as Line;
  const shown = Object.entries(fields).map(
    ([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const stack = err?.stack === undefined ? '' : `\n${err.stack}`;
  return `${time.slice(11, 23)} ${level.padEnd(5)} ${msg ?? ''}${shown.join('')}${stack}\n`;
}
