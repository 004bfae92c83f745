// The endpoints that a Service and its pods make. Pure.

import { canonical } from '../common/hash.ts';
import { hasLabels } from '../common/labels.ts';
import type { Endpoint, EndpointPort, Node, Pod, Service } from '../common/objects.ts';
import { isReady, isTerminal } from '../common/pods.ts';
import { hintsOf } from './hints.ts';

export type AddressType = 'IPv4' | 'IPv6';

/** Endpoints that have the same ports; a slice holds endpoints of one group. */
export interface PortGroup {
  ports: EndpointPort[];
  endpoints: Endpoint[];
}

export const isHeadless = (service: Service): boolean => service.spec.clusterIP === 'None';

/** Whether the controllers look after the Service's endpoints: those without a selector are somebody else's. */
export function isManaged(service: Service): boolean {
  return service.spec.type !== 'ExternalName' && Object.keys(service.spec.selector ?? {}).length > 0;
}

export function selects(service: Service, pod: Pod): boolean {
  return isManaged(service) && hasLabels(pod.metadata.labels, service.spec.selector);
}

/** The families the Service is served in; by its address when it says none. */
export function addressTypes(service: Service): AddressType[] {
  const families = service.spec.ipFamilies ?? [];
  if (families.length) return families.map((family) => (family === 'IPv6' ? 'IPv6' : 'IPv4'));
  return [service.spec.clusterIP?.includes(':') ? 'IPv6' : 'IPv4'];
}

/** The pod's address in a family. */
export function addressOf(pod: Pod, type: AddressType): string | undefined {
  const addresses = pod.status.podIPs?.map(({ ip }) => ip) ?? [];
  if (!addresses.length && pod.status.podIP) addresses.push(pod.status.podIP);
  return addresses.find((ip) => ip?.includes(':') === (type === 'IPv6'));
}

/** Whether the pod has a place among the endpoints at all. */
export function hasPlace(pod: Pod, type: AddressType): boolean {
  return !isTerminal(pod) && addressOf(pod, type) !== undefined;
}

/** Whether other pods may know this one by its host name in the Service's domain. */
export function hostnameOf(service: Service, pod: Pod): string | undefined {
  const { hostname, subdomain } = pod.spec;
  const home = pod.metadata.namespace === service.metadata.namespace;
  return hostname && home && subdomain === service.metadata.name ? hostname : undefined;
}

function endpointOf(service: Service, pod: Pod, address: string, node: Node | undefined): Endpoint {
  const serving = isReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const hostname = hostnameOf(service, pod);
  const zone = node?.metadata.labels?.['topology.kubernetes.io/zone'];
  const endpoint: Endpoint = {
    addresses: [address],
    conditions: {
      ready: service.spec.publishNotReadyAddresses === true || (serving && !terminating),
      serving,
      terminating,
    },
    ...(hostname && { hostname }),
    ...(pod.spec.nodeName && { nodeName: pod.spec.nodeName }),
    targetRef: {
      kind: 'Pod',
      namespace: pod.metadata.namespace,
      name: pod.metadata.name,
      uid: pod.metadata.uid,
    },
    ...(zone && { zone }),
  };
  const hints = hintsOf(service.spec.trafficDistribution, endpoint);
  return hints ? { ...endpoint, hints } : endpoint;
}

/** The Service's ports on one pod. A named port that the pod does not have is left out, as upstream does. */
export function portsOn(service: Service, pod: Pod): EndpointPort[] {
  const ports: EndpointPort[] = [];
  for (const { name, port, protocol = 'TCP', targetPort, appProtocol } of service.spec.ports ?? []) {
    const number = resolvePort(pod, targetPort || port, protocol);
    if (number === undefined) continue;
    ports.push({ name: name ?? '', port: number, protocol, ...(appProtocol && { appProtocol }) });
  }
  return ports;
}

function resolvePort(pod: Pod, target: number | string, protocol: string): number | undefined {
  if (typeof target === 'number') return target;
  if (/^[0-9]+$/.test(target)) return Number(target);
  const sidecars = (pod.spec.initContainers ?? []).filter((c) => c.restartPolicy === 'Always');
  for (const container of [...pod.spec.containers, ...sidecars])
    for (const port of container.ports ?? [])
      if (port.name === target && (port.protocol ?? 'TCP') === protocol) return port.containerPort;
  return undefined;
}

/** The endpoints by their ports. */
export function desiredEndpoints(
  service: Service,
  pods: Iterable<Pod>,
  type: AddressType,
  nodeOf: (name: string) => Node | undefined,
): PortGroup[] {
  const groups = new Map<string, PortGroup>();
  for (const pod of pods) {
    if (!selects(service, pod) || !hasPlace(pod, type)) continue;
    const ports = portsOn(service, pod);
    // A Service without ports (headless) has endpoints without ports.
    if (!ports.length && service.spec.ports?.length) continue;
    const key = canonical(ports);
    let group = groups.get(key);
    if (!group) {
      group = { ports, endpoints: [] };
      groups.set(key, group);
    }
    const address = addressOf(pod, type) ?? '';
    group.endpoints.push(endpointOf(service, pod, address, nodeOf(pod.spec.nodeName ?? '')));
  }
  return [...groups.values()];
}
