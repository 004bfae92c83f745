import type { Family } from '../address/ip.ts';
import type { Endpoint, Endpoints } from './endpoints.ts';
import type { NodeView } from './objects.ts';
import { type Chosen, chooseEndpoints } from './policy.ts';
import type { NamedAddress } from './read.ts';
import type { SourceRanges } from './source-ranges.ts';
import type { Backend, Frontend, Protocol } from './types.ts';

/** A port of a Service, checked. */
export interface ReadPort {
  /** Empty for the only port of a Service. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly nodePort?: number;
}

/** What the ports of a Service have in common, checked. */
export interface ReadService {
  readonly clusterIPs: ReadonlyMap<Family, string>;
  readonly externalIPs: readonly NamedAddress[];
  readonly loadBalancerIPs: readonly NamedAddress[];
  readonly sourceRanges: SourceRanges;
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
  readonly affinitySeconds?: number;
}

/** All ways to one port. Only families in which the Service has an address of its own count, as upstream. */
export function frontendsOf(
  service: ReadService,
  port: ReadPort,
  endpoints: Endpoints,
  node: NodeView,
): Frontend[] {
  const chosen = new Map<Family, Chosen>();
  for (const family of service.clusterIPs.keys()) {
    const ofFamily = ({ ip }: NamedAddress): boolean => ip.family === family;
    const external =
      port.nodePort !== undefined ||
      service.externalIPs.some(ofFamily) ||
      service.loadBalancerIPs.some(ofFamily);
    const policy = {
      internalLocal: service.internalLocal,
      externalLocal: service.externalLocal,
      external,
    };
    chosen.set(family, chooseEndpoints(endpoints.of(port.name, port.protocol, family), policy, node));
  }
  const frontends = [...chosen].flatMap(([family, of]) => frontendsOfFamily(service, port, family, of));
  if (port.nodePort !== undefined) {
    const { protocol, nodePort } = port;
    frontends.push({
      kind: 'node-port',
      protocol,
      port: nodePort,
      ...outside(service, [...chosen.values()]),
    });
  }
  return frontends;
}

function frontendsOfFamily(
  service: ReadService,
  { protocol, port }: ReadPort,
  family: Family,
  chosen: Chosen,
): Frontend[] {
  const clusterIP = service.clusterIPs.get(family)!;
  const inside = service.internalLocal ? chosen.local : chosen.cluster;
  const frontends: Frontend[] = [
    {
      kind: 'cluster-ip',
      address: clusterIP,
      protocol,
      port,
      backends: backendsOf(inside),
      ...affinity(service),
      // Who comes from outside the cluster must get the answer from this node.
      masquerade: true,
      empty: chosen.any ? 'drop' : 'reject',
    },
  ];
  const taken = new Set([clusterIP]);
  // The load balancer's first: where one address is both, its source ranges count.
  const sourceRanges = service.sourceRanges.of(family);
  const external = [
    ...service.loadBalancerIPs.map((address) => ({ address, kind: 'load-balancer' as const })),
    ...service.externalIPs.map((address) => ({ address, kind: 'external-ip' as const })),
  ];
  for (const { address, kind } of external) {
    if (address.ip.family !== family || taken.has(address.text)) continue;
    taken.add(address.text);
    frontends.push({
      kind,
      address: address.text,
      protocol,
      port,
      ...outside(service, [chosen]),
      ...(kind === 'load-balancer' && sourceRanges ? { sourceRanges } : {}),
    });
  }
  return frontends;
}

/** What ways in from outside have in common. A node port has endpoints of each of the Service's families. */
function outside(
  service: ReadService,
  chosen: readonly Chosen[],
): Pick<Frontend, 'backends' | 'insideBackends' | 'affinitySeconds' | 'masquerade' | 'empty'> {
  const cluster = backendsOf(chosen.flatMap((one) => one.cluster));
  const empty = chosen.some(({ any }) => any) ? 'drop' : 'reject';
  if (!service.externalLocal) return { backends: cluster, ...affinity(service), masquerade: true, empty };
  return {
    backends: backendsOf(chosen.flatMap((one) => one.local)),
    insideBackends: cluster,
    ...affinity(service),
    masquerade: false,
    empty,
  };
}

function affinity({ affinitySeconds }: ReadService): { readonly affinitySeconds?: number } {
  return affinitySeconds === undefined ? {} : { affinitySeconds };
}

function backendsOf(endpoints: readonly Endpoint[]): Backend[] {
  return endpoints.map(({ address, port, local }) => ({ address, port, local }));
}
