import { rcodeName, typeName } from '../wire/constants.ts';

/** Upper bounds of the histogram of answer times, seconds: CoreDNS's. */
const BUCKETS = [
  0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096,
  8.192,
];

/**
 * Counters of a DNS server. They have the names that CoreDNS gives them, so that dashboards and alerts which people have for
 * cluster DNS show ours, too.
 */
export class DnsMetrics {
  /** Packets that were no queries. */
  dropped = 0;
  readonly #requests = new Map<number, number>();
  readonly #responses = new Map<number, number>();
  readonly #durations = new Array<number>(BUCKETS.length + 1).fill(0);
  #seconds = 0;
  #count = 0;
  readonly #more: (() => string)[] = [];

  /** @param ms - from the packet's arrival until its answer */
  answered(type: number, transport: 'udp' | 'tcp', rcode: number, ms: number): void {
    // One number for both: this is done for every packet.
    const request = transport === 'udp' ? type : type + 0x10000;
    this.#requests.set(request, (this.#requests.get(request) ?? 0) + 1);
    this.#responses.set(rcode, (this.#responses.get(rcode) ?? 0) + 1);
    const seconds = ms / 1000;
    let bucket = 0;
    while (bucket < BUCKETS.length && seconds > BUCKETS[bucket]!) bucket++;
    this.#durations[bucket]!++;
    this.#seconds += seconds;
    this.#count++;
  }

  get answers(): number {
    return this.#count;
  }

  /** @param render - lines of somebody else, in the text format */
  add(render: () => string): void {
    this.#more.push(render);
  }

  /** The Prometheus text format. */
  render(): string {
    const lines: string[] = [];
    const metric = (name: string, kind: string, help: string): void => {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`);
    };
    metric('coredns_dns_requests_total', 'counter', 'Queries, by protocol and type.');
    for (const [key, count] of this.#requests) {
      const labels = `proto="${key >= 0x10000 ? 'tcp' : 'udp'}",type="${shownType(key & 0xffff)}"`;
      lines.push(`coredns_dns_requests_total{${labels}} ${count}`);
    }
    metric('coredns_dns_responses_total', 'counter', 'Answers, by their code.');
    for (const [rcode, count] of this.#responses)
      lines.push(`coredns_dns_responses_total{rcode="${rcodeName(rcode)}"} ${count}`);
    metric('coredns_dns_request_duration_seconds', 'histogram', 'Time until the answer.');
    let below = 0;
    for (const [index, bound] of BUCKETS.entries()) {
      below += this.#durations[index]!;
      lines.push(`coredns_dns_request_duration_seconds_bucket{le="${bound}"} ${below}`);
    }
    lines.push(`coredns_dns_request_duration_seconds_bucket{le="+Inf"} ${this.#count}`);
    lines.push(`coredns_dns_request_duration_seconds_sum ${this.#seconds}`);
    lines.push(`coredns_dns_request_duration_seconds_count ${this.#count}`);
    metric('flyover_dns_dropped_packets_total', 'counter', 'Packets that were no queries.');
    lines.push(`flyover_dns_dropped_packets_total ${this.dropped}`);
    return `${lines.join('\n')}\n${this.#more.map((render) => render()).join('')}`;
  }
}

/** Clients choose the type: unknown ones share a line, lest the counters grow with them. */
function shownType(type: number): string {
  const name = typeName(type);
  return name.startsWith('TYPE') ? 'other' : name;
}
