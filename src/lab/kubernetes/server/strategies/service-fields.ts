import type { KubeObject } from '../../schema/types.ts';

// What of a Service depends on its type, as upstream's registry strategy (pkg/registry/core/service) has it. Pure.

export interface ServicePort {
  name?: string;
  port: number;
  protocol?: string;
  nodePort?: number;
}

export interface ServiceSpec {
  type?: string;
  clusterIP?: string;
  clusterIPs?: string[];
  externalIPs?: string[];
  ipFamilies?: string[];
  ipFamilyPolicy?: string;
  internalTrafficPolicy?: string;
  externalTrafficPolicy?: string;
  allocateLoadBalancerNodePorts?: boolean;
  loadBalancerClass?: string;
  healthCheckNodePort?: number;
  sessionAffinity?: string;
  selector?: Record<string, string>;
  ports?: ServicePort[];
}

/** The spec of a Service; an object without one gets an empty one. */
export function specOf(object: KubeObject): ServiceSpec {
  object.spec ??= {};
  return object.spec as ServiceSpec;
}

export const hasClusterIp = ({ type }: ServiceSpec): boolean => type !== 'ExternalName';
/** Whether ports may have node ports; whether they get some unasked is another question. */
export const hasNodePorts = ({ type }: ServiceSpec): boolean =>
  type === 'NodePort' || type === 'LoadBalancer';
/** Whether every port gets a node port. */
export const getsNodePorts = (spec: ServiceSpec): boolean =>
  spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
export const wantsHealthPort = (spec: ServiceSpec): boolean =>
  spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
/** Whether the network may bring connections from outside. */
export const isExternallyAccessible = ({ type, externalIPs }: ServiceSpec): boolean =>
  type === 'NodePort' || type === 'LoadBalancer' || (type === 'ClusterIP' && (externalIPs?.length ?? 0) > 0);
/** Headless, and its endpoints are somebody else's. */
export const isFreeForm = ({ clusterIP, clusterIPs, selector }: ServiceSpec): boolean =>
  (clusterIP === 'None' || clusterIPs?.[0] === 'None') && Object.keys(selector ?? {}).length === 0;

const sameList = (a: readonly unknown[] = [], b: readonly unknown[] = []): boolean =>
  a.length === b.length && a.every((value, index) => value === b[index]);
const sameClusterIps = (a: ServiceSpec, b: ServiceSpec): boolean =>
  (a.clusterIP ?? '') === (b.clusterIP ?? '') && sameList(a.clusterIPs, b.clusterIPs);

/** Clients know the address by one field or by two; what one of them says goes for the other. */
export function linkClusterIps(spec: ServiceSpec, old: ServiceSpec | undefined): void {
  if (!old) {
    if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
    return;
  }
  const [now, before] = [spec.clusterIP ?? '', old.clusterIP ?? ''];
  if (old.clusterIPs?.length && !spec.clusterIPs?.length && now === before) spec.clusterIPs = old.clusterIPs;
  if (now === before || !sameList(spec.clusterIPs, old.clusterIPs)) return;
  if (now === '') delete spec.clusterIPs;
  else spec.clusterIPs = [now];
}

/** A client that replaces the whole object need not repeat what the server gave. */
export function keepAllocated(spec: ServiceSpec, old: ServiceSpec): void {
  if (hasClusterIp(old) && hasClusterIp(spec)) {
    spec.clusterIP ||= old.clusterIP ?? '';
    if (!spec.clusterIP) delete spec.clusterIP;
    if (!spec.clusterIPs?.length && spec.clusterIP === old.clusterIP && old.clusterIPs)
      spec.clusterIPs = old.clusterIPs;
  }
  if (hasNodePorts(old) && hasNodePorts(spec)) keepNodePorts(spec, old);
  if (wantsHealthPort(old) && wantsHealthPort(spec) && old.healthCheckNodePort)
    spec.healthCheckNodePort ||= old.healthCheckNodePort;
}

/** By name: a port that has only changed its number keeps its node port. */
function keepNodePorts(spec: ServiceSpec, old: ServiceSpec): void {
  const portsOf = ({ ports = [] }: ServiceSpec) => ports.map(({ nodePort }) => nodePort).filter(Boolean);
  const used = new Set(portsOf(spec).filter((port) => portsOf(old).includes(port)));
  const byName = new Map((old.ports ?? []).map(({ name = '', nodePort }) => [name, nodePort]));
  for (const port of spec.ports ?? []) {
    if (port.nodePort) continue;
    const before = byName.get(port.name ?? '');
    if (!before || used.has(before)) continue;
    port.nodePort = before;
    used.add(before);
  }
}

/** Removes what the new type does not have, unless the client has changed it too: that is refused later. */
export function dropForeignFields(spec: ServiceSpec, old: ServiceSpec): void {
  if (hasClusterIp(old) && !hasClusterIp(spec)) {
    if (sameClusterIps(spec, old)) {
      delete spec.clusterIP;
      delete spec.clusterIPs;
    }
    if (sameList(spec.ipFamilies, old.ipFamilies)) delete spec.ipFamilies;
    if (spec.ipFamilyPolicy === old.ipFamilyPolicy) delete spec.ipFamilyPolicy;
  }
  if (hasNodePorts(old) && !hasNodePorts(spec)) {
    const before = new Set((old.ports ?? []).map(({ nodePort }) => nodePort));
    if ((spec.ports ?? []).every(({ nodePort }) => !nodePort || before.has(nodePort)))
      for (const port of spec.ports ?? []) delete port.nodePort;
  }
  const drop = (had: boolean, has: boolean, field: keyof ServiceSpec): void => {
    if (had && !has && spec[field] === old[field]) delete spec[field];
  };
  drop(wantsHealthPort(old), wantsHealthPort(spec), 'healthCheckNodePort');
  const [wasBalanced, isBalanced] = [old.type === 'LoadBalancer', spec.type === 'LoadBalancer'];
  drop(wasBalanced, isBalanced, 'allocateLoadBalancerNodePorts');
  drop(wasBalanced, isBalanced, 'loadBalancerClass');
  drop(isExternallyAccessible(old), isExternallyAccessible(spec), 'externalTrafficPolicy');
}
