/** What is kept of a trial that failed: its history, its report, the logs, and the state at the end. */
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeHistory } from '@kvstore/testing';
import type { TrialReport } from './trial.ts';

const LOG_LINES = 12;

/** Returns what a person should read first. */
export function keepEvidence(directory: string, dataDir: string, report: TrialReport): string {
  const { history, ...rest } = report;
  const kept = join(directory, `${report.scenario}-${report.trial}`);
  mkdirSync(kept, { recursive: true });
  writeFileSync(join(kept, 'history.jsonl'), encodeHistory(history));
  writeFileSync(join(kept, 'report.json'), `${JSON.stringify(rest, undefined, 2)}\n`);
  const file = join(dataDir, 'cluster.json');
  if (existsSync(file)) copyFileSync(file, join(kept, 'cluster.json'));
  const logs = join(dataDir, 'logs');
  if (existsSync(logs)) cpSync(logs, join(kept, 'logs'), { recursive: true });
  const ends = report.victims.map((name) => lastLines(name, join(logs, `${name}.log`)));
  return [
    `${report.scenario} trial ${report.trial} (seed ${report.seed}, hit ${report.victims.join(', ')})`,
    ...report.violations,
    ...ends,
    `kept in ${kept}`,
  ].join('\n');
}

function lastLines(name: string, log: string): string {
  if (!existsSync(log)) return `no log of ${name}`;
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-LOG_LINES);
  return `the end of ${name}.log:\n${lines.map((line) => `  ${line}`).join('\n')}`;
}
