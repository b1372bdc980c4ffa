/**
 * The metrics of one process: counters and histograms as plain numbers, and values that are read
 * only when somebody scrapes.
 *
 * Why not the instruments of the OpenTelemetry SDK: each `record(value, attributes)` builds an
 * attribute set and looks it up by hash, once per request. Here a caller resolves name and labels
 * once, keeps the object, and a request costs a few additions and allocates nothing. The exporter
 * (`metrics-server.ts`) turns `families()` into OpenTelemetry's data model on a scrape.
 *
 * Invariants
 *   1. one name has one kind and one help text
 *   2. one name and label set is one series; asking again returns the same object
 */
import { assert } from '@kvstore/std';

export type Labels = Readonly<Record<string, string>>;

export type MetricKind = 'counter' | 'gauge' | 'histogram';

export class Counter {
  #value = 0;

  /** `amount` ≥ 0. */
  add(amount = 1): void {
    this.#value += amount;
  }

  get value(): number {
    return this.#value;
  }
}

/** Cumulative counts under fixed upper bounds, as Prometheus histograms have them. */
export class Histogram {
  readonly bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;

  /** `bounds`: inclusive upper bounds, ascending; values above the last are counted too. */
  constructor(bounds: readonly number[]) {
    assert(
      bounds.every((bound, i) => i === 0 || bound > (bounds[i - 1] as number)),
      'bounds ascend',
    );
    this.bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  record(value: number): void {
    const bounds = this.bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#sum += value;
  }

  /** Per bucket, not cumulative; one more than there are bounds. */
  get counts(): readonly number[] {
    return Array.from(this.#counts);
  }

  get sum(): number {
    return this.#sum;
  }
}

/** One series of an observed metric. */
export interface Observation {
  readonly value: number;
  readonly labels?: Labels;
}

export type Series =
  | { readonly labels: Labels; readonly value: number }
  | { readonly labels: Labels; readonly histogram: Histogram };

export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly kind: MetricKind;
  readonly series: readonly Series[];
}

interface Family {
  readonly help: string;
  readonly kind: MetricKind;
  readonly stored: Map<string, { readonly labels: Labels; readonly metric: Counter | Histogram }>;
  readonly observed: (() => Iterable<Observation>)[];
}

const METRIC_NAME = /^[a-z][a-z0-9_]*$/;

export class MetricRegistry {
  readonly #families = new Map<string, Family>();

  /** `name` ends in `_total`. */
  counter(name: string, help: string, labels: Labels = {}): Counter {
    assert(name.endsWith('_total'), `counter ${name} must end in _total`);
    return this.#stored(name, help, 'counter', labels, () => new Counter());
  }

  histogram(name: string, help: string, bounds: readonly number[], labels: Labels = {}): Histogram {
    return this.#stored(name, help, 'histogram', labels, () => new Histogram(bounds));
  }

  /** A value read at each scrape; undefined: the series is left out of that scrape. */
  gauge(name: string, help: string, read: () => number | undefined, labels: Labels = {}): void {
    this.observe('gauge', name, help, () => single(read(), labels));
  }

  /** A total kept elsewhere; it may not decrease while the process lives. `name` ends in `_total`. */
  observedCounter(
    name: string,
    help: string,
    read: () => number | undefined,
    labels: Labels = {},
  ): void {
    assert(name.endsWith('_total'), `counter ${name} must end in _total`);
    this.observe('counter', name, help, () => single(read(), labels));
  }

  /** Several series of one name, read together at each scrape. */
  observe(
    kind: 'counter' | 'gauge',
    name: string,
    help: string,
    read: () => Iterable<Observation>,
  ): void {
    this.#family(name, help, kind).observed.push(read);
  }

  /** The present values. Observers run now. */
  families(): readonly MetricFamily[] {
    return Array.from(this.#families, ([name, family]) => {
      const series: Series[] = [];
      for (const { labels, metric } of family.stored.values()) {
        series.push(
          metric instanceof Counter
            ? { labels, value: metric.value }
            : { labels, histogram: metric },
        );
      }
      for (const read of family.observed) {
        for (const { labels = {}, value } of read()) series.push({ labels, value });
      }
      return { name, help: family.help, kind: family.kind, series };
    });
  }

  #stored<M extends Counter | Histogram>(
    name: string,
    help: string,
    kind: MetricKind,
    labels: Labels,
    create: () => M,
  ): M {
    const family = this.#family(name, help, kind);
    const identity = JSON.stringify(Object.entries(labels).sort());
    const found = family.stored.get(identity);
    // Invariant: one name has one kind, so the stored metric is of the asked class.
    if (found !== undefined) return found.metric as M;
    const metric = create();
    family.stored.set(identity, { labels, metric });
    return metric;
  }

  #family(name: string, help: string, kind: MetricKind): Family {
    assert(METRIC_NAME.test(name), `metric name ${name} is not [a-z][a-z0-9_]*`);
    const found = this.#families.get(name);
    if (found !== undefined) {
      assert(
        found.kind === kind && found.help === help,
        `metric ${name} is declared twice, differently`,
      );
      return found;
    }
    const family: Family = { help, kind, stored: new Map(), observed: [] };
    this.#families.set(name, family);
    return family;
  }
}

function single(value: number | undefined, labels: Labels): Observation[] {
  return value === undefined ? [] : [{ value, labels }];
}
