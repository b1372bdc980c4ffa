/**
 * What an operator sees of frames that were refused: a counter by reason, and a log line at the first
 * one and then every ten seconds while it goes on. Never a line per frame: whoever can publish could
 * fill the disk with them.
 */
import type { FrameCodec } from '@kvstore/contract';
import type { EventLog } from '../logger.ts';
import type { Labels, MetricRegistry } from '../metrics/metric-registry.ts';
import type { Shutdown } from '../shutdown.ts';

export interface RefusedFramesOptions {
  /** Of the process: those of its control plane, too. */
  readonly codecs: readonly Pick<FrameCodec, 'refused'>[];
  readonly metrics: MetricRegistry;
  /** As in `kvstore_<part>_frames_refused_total`. */
  readonly part: string;
  readonly labels: Labels;
  readonly log: EventLog;
  readonly shutdown: Shutdown;
}

const LOOK_MS = 500;
const LINE_MS = 10_000;

export function watchRefusedFrames(options: RefusedFramesOptions): void {
  const { codecs, metrics, part, labels, log, shutdown } = options;
  metrics.observe(
    'counter',
    `kvstore_${part}_frames_refused_total`,
    'Frames refused, by reason.',
    () =>
      Object.entries(sum(codecs)).map(([reason, value]) => ({
        value,
        labels: { ...labels, reason },
      })),
  );
  const report = new RefusalReport(log);
  const timer = setInterval(() => report.look(sum(codecs), performance.now()), LOOK_MS).unref();
  shutdown.add('refused frames', async () => clearInterval(timer));
}

/** Decides when a line is due. */
export class RefusalReport {
  readonly #log: EventLog;
  #told: Readonly<Record<string, number>> = {};
  #quietUntilMs = Number.NEGATIVE_INFINITY;

  constructor(log: EventLog) {
    this.#log = log;
  }

  look(refused: Readonly<Record<string, number>>, nowMs: number): void {
    const since = Object.entries(refused)
      .map(([reason, count]) => [reason, count - (this.#told[reason] ?? 0)] as const)
      .filter(([, count]) => count > 0);
    if (since.length === 0 || nowMs < this.#quietUntilMs) return;
    this.#told = refused;
    this.#quietUntilMs = nowMs + LINE_MS;
    const remedy = since.some(([reason]) => reason === 'mac')
      ? 'give every process of the cluster the same cluster_secret'
      : 'see who else publishes on the subjects of this cluster';
    this.#log.event('warn', 'refused frames that are none of this cluster’s', {
      ...Object.fromEntries(since),
      remedy,
    });
  }
}

function sum(codecs: RefusedFramesOptions['codecs']): Readonly<Record<string, number>> {
  const total: Record<string, number> = {};
  for (const { refused } of codecs) {
    for (const [reason, count] of refused) total[reason] = (total[reason] ?? 0) + count;
  }
  return total;
}
