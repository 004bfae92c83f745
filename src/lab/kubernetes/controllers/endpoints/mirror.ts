// EndpointSlices of Endpoints that people write themselves. Pure.
import { canonical } from '../common/hash.ts';
import type { Endpoint, EndpointSubset, Endpoints, Service } from '../common/objects.ts';
import type { AddressType, PortGroup } from './desired.ts';
import { isElectionRecord, MOST_ADDRESSES } from './legacy.ts';
import { MANAGED_LABEL, SERVICE_NAME } from './slices.ts';

export const MIRRORED_BY = 'endpointslicemirroring-controller.k8s.io';
const SKIP = 'endpointslice.kubernetes.io/skip-mirror';
const NOT_MIRRORED = [
  'endpoints.kubernetes.io/last-change-trigger-time',
  'kubectl.kubernetes.io/last-applied-configuration',
];

/** Whether Endpoints have slices of theirs: their Service has no selector, and nobody asked for none. */
export function isMirrored(endpoints: Endpoints, service: Service | undefined): boolean {
  const { labels, annotations } = endpoints.metadata;
  if (!service || labels?.[SKIP] === 'true' || isElectionRecord(annotations)) return false;
  return Object.keys(service.spec.selector ?? {}).length === 0;
}

export function mirrorLabels({ metadata }: Endpoints): Record<string, string> {
  return { ...metadata.labels, [SERVICE_NAME]: metadata.name, [MANAGED_LABEL]: MIRRORED_BY };
}

export function mirrorAnnotations({ metadata }: Endpoints): Record<string, string> {
  const all = Object.entries(metadata.annotations ?? {});
  return Object.fromEntries(all.filter(([key]) => !NOT_MIRRORED.includes(key)));
}

type Address = NonNullable<EndpointSubset['addresses']>[number];

function endpointOf({ ip, hostname, nodeName, targetRef }: Address, ready: boolean): Endpoint {
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname && { hostname }),
    ...(nodeName && { nodeName }),
    ...(targetRef && { targetRef }),
  };
}

/** The endpoints by family and ports; of each subset the first 1,000 addresses. Families without any are left out. */
export function mirroredEndpoints({ subsets }: Endpoints): Map<AddressType, PortGroup[]> {
  const found = new Map<AddressType, Map<string, PortGroup>>();
  for (const { addresses = [], notReadyAddresses = [], ports: given = [] } of subsets ?? []) {
    const ports = given.map(({ name = '', port, protocol = 'TCP', appProtocol }) => ({
      name,
      port,
      protocol,
      ...(appProtocol && { appProtocol }),
    }));
    const all = [
      ...addresses.map((address) => endpointOf(address, true)),
      ...notReadyAddresses.map((address) => endpointOf(address, false)),
    ].slice(0, MOST_ADDRESSES);
    for (const endpoint of all) {
      const family: AddressType = endpoint.addresses[0]?.includes(':') ? 'IPv6' : 'IPv4';
      const groups = found.get(family) ?? new Map<string, PortGroup>();
      found.set(family, groups);
      const key = canonical(ports);
      const group = groups.get(key) ?? { ports, endpoints: [] };
      groups.set(key, group);
      // The same address may stand in two subsets with the same ports.
      if (!group.endpoints.some((one) => one.addresses[0] === endpoint.addresses[0]))
        group.endpoints.push(endpoint);
    }
  }
  return new Map([...found].map(([family, groups]) => [family, [...groups.values()]]));
}
