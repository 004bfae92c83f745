import type { CounterValue } from '../../kernel/nft/index.ts';
import { MASQUERADED, SPOOFED } from '../dataplane/table.ts';
import type { IpamRecord } from './ipam/record.ts';
import type { IpamStats } from './ipam/store.ts';
import { Collected, Counter, Histogram, MetricRegistry } from './metrics.ts';
import type { Observed } from './operations.ts';
import type { Finding } from './reconcile.ts';
import { registerServiceMetrics } from './services/metrics.ts';
import type { ServiceStatus } from './services/service-proxy.ts';

/** Where the values come from that others keep. Undefined: not known yet. */
export interface MetricSources {
  readonly version: string;
  readonly nodeName: () => string | undefined;
  readonly ready: () => boolean;
  readonly addresses: () => IpamStats | undefined;
  readonly counters: () => Map<string, CounterValue> | undefined;
  /** In a cluster: whether it answers, and whose addresses there are. */
  readonly connected?: () => boolean;
  readonly records?: () => readonly IpamRecord[];
  readonly services?: () => ServiceStatus | undefined;
}

/** Seconds. An ADD takes 2 to 5 ms, a DEL 15 to 30. */
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/** Everything that the agent counts. */
export class AgentMetrics {
  readonly #registry = new MetricRegistry();
  readonly #durations: Histogram;
  readonly #errors: Counter;
  readonly #findings: Counter;
  readonly #reloads: Counter;

  constructor(sources: MetricSources) {
    const registry = this.#registry;
    const gauge = (
      name: string,
      help: string,
      read: () => Iterable<readonly [Record<string, string>, number]>,
    ) => registry.register(name, new Collected('gauge', help, read));
    gauge('flyover_agent_info', 'The agent that runs, always 1.', () => [
      [{ version: sources.version, node: sources.nodeName() ?? '' }, 1],
    ]);
    gauge('flyover_agent_ready', 'Whether pods can be attached, 1 or 0.', () => [
      [{}, sources.ready() ? 1 : 0],
    ]);
    gauge('flyover_addresses', "The node block's addresses by state; capacity is how many can be held.", () =>
      (sources.addresses()?.blocks ?? []).flatMap(({ block, capacity, held, cooling, available }) => [
        [{ block, state: 'capacity' }, capacity] as const,
        [{ block, state: 'used' }, held] as const,
        [{ block, state: 'cooling' }, cooling] as const,
        [{ block, state: 'free' }, available] as const,
      ]),
    );
    gauge('flyover_attachments', 'Pod interfaces on record.', () => {
      const records = sources.addresses()?.records;
      return records === undefined ? [] : [[{}, records]];
    });
    const { connected, records } = sources;
    if (connected) {
      gauge('flyover_kubernetes_connected', 'Whether the API server answers, 1 or 0.', () => [
        [{}, connected() ? 1 : 0],
      ]);
    }
    if (records) {
      gauge('flyover_pod_info', 'Pods with an address of this node, always 1.', () =>
        records().flatMap(({ podNamespace = '', podName = '', podUid = '', addresses }) =>
          addresses.map(
            (address) => [{ namespace: podNamespace, pod: podName, uid: podUid, address }, 1] as const,
          ),
        ),
      );
    }
    if (sources.services) registerServiceMetrics(registry, sources.services);
    this.#durations = registry.register(
      'flyover_operation_duration_seconds',
      new Histogram('Time that the agent took for a CNI command, failed ones included.', BOUNDS),
    );
    this.#errors = registry.register(
      'flyover_operation_errors_total',
      new Counter('Failed CNI commands by CNI error code.'),
    );
    const kept = (name: string, help: string, counter: string, read: (value: CounterValue) => number) =>
      registry.register(
        name,
        new Collected('counter', help, () => {
          const value = sources.counters()?.get(counter);
          return value ? [[{}, read(value)]] : [];
        }),
      );
    kept(
      'flyover_spoofed_packets_total',
      'Packets of pods with a source not their own, dropped.',
      SPOOFED,
      (v) => v.packets,
    );
    kept('flyover_spoofed_bytes_total', 'Bytes of those packets.', SPOOFED, (v) => v.bytes);
    kept(
      'flyover_masqueraded_connections_total',
      "Connections of pods that left under the node's address.",
      MASQUERADED,
      (v) => v.packets,
    );
    this.#findings = registry.register(
      'flyover_reconcile_findings_total',
      new Counter('Differences between records, kernel and runtime, by what became of them.'),
    );
    this.#reloads = registry.register(
      'flyover_config_reloads_total',
      new Counter('Readings of node.json by result.'),
    );
  }

  observe({ command, milliseconds, error }: Observed): void {
    this.#durations.observe(milliseconds / 1000, { command });
    if (error) this.#errors.inc({ command, code: String(error.code) });
  }

  found({ kind }: Finding): void {
    this.#findings.inc({ kind });
  }

  reloaded(result: 'applied' | 'refused'): void {
    this.#reloads.inc({ result });
  }

  text(onError: (name: string, error: unknown) => void): string {
    return this.#registry.text(onError);
  }
}
