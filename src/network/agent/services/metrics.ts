import type { PortTranslation } from '../../../service/types.ts';
import { Collected, type MetricRegistry } from '../metrics.ts';
import type { ServiceStatus } from './service-proxy.ts';

/** What the agent says of Services; nothing while the service proxy is off. */
export function registerServiceMetrics(
  registry: MetricRegistry,
  read: () => ServiceStatus | undefined,
): void {
  const collected = (
    kind: 'gauge' | 'counter',
    name: string,
    help: string,
    value: (status: ServiceStatus) => number | undefined,
  ): void => {
    registry.register(
      name,
      new Collected(kind, help, () => {
        const status = read();
        const found = status && value(status);
        return found === undefined ? [] : [[{}, found]];
      }),
    );
  };
  collected('gauge', 'flyover_services', "Services in this node's tables.", ({ services }) => services);
  collected('gauge', 'flyover_service_frontends', 'Addresses and ports that are translated.', (status) =>
    sum(status, ({ frontends }) => frontends.length),
  );
  collected('gauge', 'flyover_service_endpoints', 'Endpoints behind the cluster addresses.', (status) =>
    sum(status, ({ frontends }) =>
      frontends.reduce((n, { kind, backends }) => n + (kind === 'cluster-ip' ? backends.length : 0), 0),
    ),
  );
  collected(
    'gauge',
    'flyover_service_health_checks',
    'Health check node ports that this node answers on.',
    ({ healthChecks }) => healthChecks,
  );
  collected(
    'gauge',
    'flyover_service_synced',
    'Whether all Services are in the tables, 1 or 0.',
    ({ synced }) => (synced ? 1 : 0),
  );
  collected(
    'counter',
    'flyover_service_syncs_total',
    'Times that the tables were changed.',
    ({ syncs }) => syncs,
  );
  collected(
    'counter',
    'flyover_service_sync_errors_total',
    'Times that the kernel refused; everything is tried again.',
    ({ syncErrors }) => syncErrors,
  );
  collected(
    'gauge',
    'flyover_service_last_sync_milliseconds',
    'How long the last change of the tables took.',
    ({ lastSyncMs }) => lastSyncMs,
  );
  collected('gauge', 'flyover_service_last_sync_timestamp_seconds', 'When that was.', ({ lastSyncAt }) =>
    lastSyncAt === undefined ? undefined : lastSyncAt / 1000,
  );
  registry.register(
    'flyover_service_packets_total',
    new Collected(
      'counter',
      'Packets by what became of them: the first of each translated connection, and those turned away.',
      () => {
        const status = read();
        // Before the first change there may be no table.
        if (!status || status.lastSyncAt === undefined) return [];
        return [...status.counters()].map(([verdict, { packets }]) => [{ verdict }, packets] as const);
      },
    ),
  );
}

function sum(status: ServiceStatus, of: (port: PortTranslation) => number): number {
  let total = 0;
  for (const { ports } of status.translations()) for (const port of ports) total += of(port);
  return total;
}
