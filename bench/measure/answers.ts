/**
 * Requests that the servers say they answered, from their Prometheus pages. A gRPC failure arrives as
 * HTTP 200 with its status in a trailer, which load generators do not read: only the server's own
 * count tells it.
 */

/** Where a system counts its requests. */
export interface AnswerSeries {
  readonly metric: string;
  /** Label text that a line must contain; empty: any line. */
  readonly label: string;
  /** The label that holds the outcome; `OK` is success. */
  readonly outcomeLabel: string;
}

export interface Answers {
  readonly ok: number;
  readonly failed: number;
}

export async function fetchAnswers(
  urls: readonly string[],
  series: AnswerSeries,
): Promise<Answers> {
  const pages = await Promise.all(
    urls.map(async (url) => {
      const response = await fetch(url);
      if (!response.ok) throw new Error(`${url} answered ${response.status}`);
      return response.text();
    }),
  );
  return parseAnswers(pages.join('\n'), series);
}

export function parseAnswers(text: string, series: AnswerSeries): Answers {
  let ok = 0;
  let failed = 0;
  for (const line of text.split('\n')) {
    if (!line.startsWith(`${series.metric}{`) || !line.includes(series.label)) continue;
    const count = Number(line.slice(line.lastIndexOf('}') + 1));
    if (line.includes(`${series.outcomeLabel}="OK"`)) ok += count;
    else failed += count;
  }
  return { ok, failed };
}

/**
 * Requests that the generator took for good and the servers did not answer with success. Those in
 * flight when the generator stopped may count on either side at the servers.
 */
export function hiddenFailures(succeeded: number, before: Answers, after: Answers): number {
  return Math.max(0, succeeded - (after.ok - before.ok));
}
