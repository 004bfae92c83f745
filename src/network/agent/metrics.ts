/**
 * A small registry that writes the Prometheus text format, version 0.0.4. Three instruments, constant label
 * names, values read at scrape time where that is cheaper than keeping them.
 */
type Labels = Readonly<Record<string, string>>;
type Kind = 'counter' | 'gauge' | 'histogram';

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function labelText(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => {
    if (!LABEL_NAME.test(name)) throw new RangeError(`metric label '${name}': must match ${LABEL_NAME}`);
    return `${name}="${escapeHelp(value).replaceAll('"', '\\"')}"`;
  });
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}

function number(value: number): string {
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  return String(value);
}

interface Family {
  readonly kind: Kind;
  readonly help: string;
  lines(name: string): string[];
}

/** A value that only grows. */
export class Counter implements Family {
  readonly kind = 'counter';
  readonly help: string;
  readonly #values = new Map<string, number>();

  constructor(help: string) {
    this.help = help;
  }

  inc(labels: Labels = {}, by = 1): void {
    if (!(by >= 0)) throw new RangeError(`counter: ${by} would make it smaller`);
    const key = labelText(labels);
    this.#values.set(key, (this.#values.get(key) ?? 0) + by);
  }

  get(labels: Labels = {}): number {
    return this.#values.get(labelText(labels)) ?? 0;
  }

  lines(name: string): string[] {
    return [...this.#values].map(([labels, value]) => `${name}${labels} ${number(value)}`);
  }
}

/** Reads its samples when scraped; also used for counters that something else keeps (the kernel). */
export class Collected implements Family {
  readonly kind: 'counter' | 'gauge';
  readonly help: string;
  readonly #read: () => Iterable<readonly [Labels, number]>;

  constructor(kind: 'counter' | 'gauge', help: string, read: () => Iterable<readonly [Labels, number]>) {
    this.kind = kind;
    this.help = help;
    this.#read = read;
  }

  lines(name: string): string[] {
    return [...this.#read()].map(([labels, value]) => `${name}${labelText(labels)} ${number(value)}`);
  }
}

/** A distribution with fixed upper bounds. */
export class Histogram implements Family {
  readonly kind = 'histogram';
  readonly help: string;
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, { labels: Labels; counts: number[]; sum: number; count: number }>();

  /** @param bounds ascending upper bounds, without +Inf. */
  constructor(help: string, bounds: readonly number[]) {
    if (bounds.some((bound, i) => i > 0 && !(bound > (bounds[i - 1] ?? 0)))) {
      throw new RangeError(`histogram bounds ${bounds.join(', ')}: must ascend`);
    }
    this.help = help;
    this.#bounds = bounds;
  }

  observe(value: number, labels: Labels = {}): void {
    const key = labelText(labels);
    let series = this.#series.get(key);
    if (!series) {
      series = { labels, counts: this.#bounds.map(() => 0), sum: 0, count: 0 };
      this.#series.set(key, series);
    }
    series.sum += value;
    series.count += 1;
    // Cumulative buckets are made when written; here only the first that fits counts.
    const at = this.#bounds.findIndex((bound) => value <= bound);
    if (at >= 0) series.counts[at] = (series.counts[at] ?? 0) + 1;
  }

  lines(name: string): string[] {
    return [...this.#series].flatMap(([key, { labels, counts, sum, count }]) => {
      let seen = 0;
      const buckets = this.#bounds.map((bound, i) => {
        seen += counts[i] ?? 0;
        return `${name}_bucket${labelText({ ...labels, le: number(bound) })} ${seen}`;
      });
      return [
        ...buckets,
        `${name}_bucket${labelText({ ...labels, le: '+Inf' })} ${count}`,
        `${name}_sum${key} ${number(sum)}`,
        `${name}_count${key} ${count}`,
      ];
    });
  }
}

/** The instruments of one process, written in the order of their registration. */
export class MetricRegistry {
  readonly #families = new Map<string, Family>();

  /** @throws RangeError for a bad or repeated name. */
  register<F extends Family>(name: string, family: F): F {
    if (!METRIC_NAME.test(name)) throw new RangeError(`metric '${name}': must match ${METRIC_NAME}`);
    if (this.#families.has(name)) throw new RangeError(`metric '${name}' is registered already`);
    this.#families.set(name, family);
    return family;
  }

  /**
   * The whole registry as text. A family that cannot be read now (its kernel table is being replaced, say) is
   * left out, so that the others stay visible; `onError` hears of it.
   */
  text(onError: (name: string, error: unknown) => void = () => {}): string {
    const out: string[] = [];
    for (const [name, family] of this.#families) {
      try {
        const lines = family.lines(name);
        out.push(`# HELP ${name} ${escapeHelp(family.help)}`, `# TYPE ${name} ${family.kind}`, ...lines);
      } catch (error) {
        onError(name, error);
      }
    }
    return `${out.join('\n')}\n`;
  }
}
