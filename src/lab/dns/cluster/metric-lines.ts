import type { Forwarder } from '../forward/forwarder.ts';
import type { ServiceDirectory } from '../zone/directory.ts';
import type { DirectoryFollower } from './follow.ts';

function lines(
  metrics: readonly (readonly [name: string, kind: string, help: string, value: number])[],
): string {
  return metrics
    .map(([name, kind, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n${name} ${value}\n`)
    .join('');
}

export function forwarderMetrics(forwarder: Forwarder): string {
  const { hits, misses, failures } = forwarder.counts;
  return lines([
    ['coredns_cache_hits_total', 'counter', 'Answers of other servers that were still known.', hits],
    ['coredns_cache_misses_total', 'counter', 'Questions that other servers were asked.', misses],
    ['coredns_cache_entries', 'gauge', 'Answers of other servers that are kept.', forwarder.size],
    ['flyover_dns_forward_failures_total', 'counter', 'Questions that no other server answered.', failures],
    [
      'flyover_dns_forward_loop',
      'gauge',
      'Whether other servers ask this one, 1 or 0.',
      Number(forwarder.loops),
    ],
  ]);
}

export function zoneMetrics(directory: ServiceDirectory, follower: DirectoryFollower): string {
  const { services, endpointSlices, namespaces } = directory.counts;
  return lines([
    ['flyover_dns_services', 'gauge', 'Services known.', services],
    ['flyover_dns_endpoint_slices', 'gauge', 'EndpointSlices known.', endpointSlices],
    ['flyover_dns_namespaces', 'gauge', 'Namespaces known.', namespaces],
    [
      'flyover_dns_api_connected',
      'gauge',
      'Whether the API server answered the last time, 1 or 0.',
      Number(follower.connected),
    ],
  ]);
}
