const BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60];

interface Latency {
  buckets: number[];
  sum: number;
  count: number;
}

/** Figures in Prometheus' text form, under upstream's names where they mean the same. */
export class Metrics {
  readonly #requests = new Map<string, number>();
  readonly #latency = new Map<string, Latency>();
  readonly #gauges: { name: string; help: string; value: () => number }[] = [];

  /** One answered request. @param seconds from its head to its answer's end; not counted for watches and streams */
  observe(verb: string, resource: string, code: number, seconds: number): void {
    const labels = `verb="${verb.toUpperCase()}",resource="${resource}"`;
    const key = `${labels},code="${code}"`;
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
    if (verb === 'watch') return;
    let latency = this.#latency.get(labels);
    if (!latency) {
      latency = { buckets: BUCKETS.map(() => 0), sum: 0, count: 0 };
      this.#latency.set(labels, latency);
    }
    latency.sum += seconds;
    latency.count += 1;
    for (const [index, bound] of BUCKETS.entries())
      if (seconds <= bound) latency.buckets[index] = (latency.buckets[index] ?? 0) + 1;
  }

  gauge(name: string, help: string, value: () => number): void {
    this.#gauges.push({ name, help, value });
  }

  text(): string {
    const lines = [
      '# HELP apiserver_request_total Answered requests by verb, resource and code.',
      '# TYPE apiserver_request_total counter',
      ...[...this.#requests].map(([labels, count]) => `apiserver_request_total{${labels}} ${count}`),
      '# HELP apiserver_request_duration_seconds Time to answer, by verb and resource.',
      '# TYPE apiserver_request_duration_seconds histogram',
    ];
    for (const [labels, { buckets, sum, count }] of this.#latency) {
      const name = 'apiserver_request_duration_seconds';
      for (const [index, bound] of BUCKETS.entries())
        lines.push(`${name}_bucket{${labels},le="${bound}"} ${buckets[index]}`);
      lines.push(
        `${name}_bucket{${labels},le="+Inf"} ${count}`,
        `${name}_sum{${labels}} ${sum}`,
        `${name}_count{${labels}} ${count}`,
      );
    }
    for (const { name, help, value } of this.#gauges)
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, `${name} ${value()}`);
    return `${lines.join('\n')}\n`;
  }
}
