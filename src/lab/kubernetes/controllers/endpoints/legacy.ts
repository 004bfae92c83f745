// The Endpoints object of a Service: the older form, for those who still read it. Pure.

import { canonical } from '../common/hash.ts';
import type { EndpointSubset, Pod, Service } from '../common/objects.ts';
import { isReady } from '../common/pods.ts';
import { addressOf, addressTypes, hasPlace, hostnameOf, portsOn, selects } from './desired.ts';

/** Upstream cuts Endpoints off here. */
export const MOST_ADDRESSES = 1000;

type Address = NonNullable<EndpointSubset['addresses']>[number];

/** Subsets by ports, addresses sorted; not ready ones apart. Pods on their way out are left out. */
export function desiredSubsets(service: Service, pods: Iterable<Pod>): EndpointSubset[] {
  const type = addressTypes(service)[0] ?? 'IPv4';
  const subsets = new Map<
    string,
    { ready: Address[]; notReady: Address[]; ports: EndpointSubset['ports'] }
  >();
  let count = 0;
  for (const pod of pods) {
    if (!selects(service, pod) || !hasPlace(pod, type)) continue;
    const tolerant = service.spec.publishNotReadyAddresses === true;
    if (pod.metadata.deletionTimestamp && !tolerant) continue;
    const ports = portsOn(service, pod);
    if (!ports.length && service.spec.ports?.length) continue;
    if (++count > MOST_ADDRESSES) break;
    const key = canonical(ports);
    const subset = subsets.get(key) ?? {
      ready: [],
      notReady: [],
      ports: ports.map(({ name, port, protocol, appProtocol }) => ({
        ...(name && { name }),
        port: port ?? 0,
        ...(protocol && { protocol }),
        ...(appProtocol && { appProtocol }),
      })),
    };
    subsets.set(key, subset);
    const hostname = hostnameOf(service, pod);
    const address: Address = {
      ip: addressOf(pod, type) ?? '',
      ...(hostname && { hostname }),
      ...(pod.spec.nodeName && { nodeName: pod.spec.nodeName }),
      targetRef: {
        kind: 'Pod',
        namespace: pod.metadata.namespace,
        name: pod.metadata.name,
        uid: pod.metadata.uid,
      },
    };
    (tolerant || isReady(pod) ? subset.ready : subset.notReady).push(address);
  }
  const byIp = (a: Address, b: Address): number => (a.ip < b.ip ? -1 : 1);
  return [...subsets.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { ready, notReady, ports }]) => ({
      ...(ready.length && { addresses: ready.sort(byIp) }),
      ...(notReady.length && { notReadyAddresses: notReady.sort(byIp) }),
      ...(ports?.length && { ports }),
    }));
}

/** Old lock objects of leader elections are Endpoints without a Service. */
export function isElectionRecord(annotations: Record<string, string> | undefined): boolean {
  return annotations?.['control-plane.alpha.kubernetes.io/leader'] !== undefined;
}
