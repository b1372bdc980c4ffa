/**
 * The signals that end a cluster: the first begins an orderly stop, a later one kills. npm passes a
 * signal on that the terminal has sent to both, so one Ctrl-C arrives twice, and counts once.
 */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const SAME_SIGNAL_MS = 500;

export function onStopSignals(begin: () => void, kill: () => void): void {
  let beganAt: number | undefined;
  const onSignal = (): void => {
    if (beganAt === undefined) {
      beganAt = performance.now();
      begin();
    } else if (performance.now() - beganAt > SAME_SIGNAL_MS) kill();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
}
