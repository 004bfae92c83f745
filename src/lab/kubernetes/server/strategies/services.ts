import { cidrContains, cidrSize, nthAddress } from '../../../../address/cidr.ts';
import { formatAddress, isAddress, parseAddress } from '../../../../address/ip.ts';
import type { FieldError, KubeObject } from '../../schema/types.ts';
import { internalError, invalid } from '../status.ts';
import type { Strategy, StrategyContext } from './types.ts';

interface ServicePort {
  port: number;
  protocol?: string;
  nodePort?: number;
}

interface ServiceSpec {
  type?: string;
  clusterIP?: string;
  clusterIPs?: string[];
  ipFamilies?: string[];
  ipFamilyPolicy?: string;
  internalTrafficPolicy?: string;
  externalTrafficPolicy?: string;
  allocateLoadBalancerNodePorts?: boolean;
  healthCheckNodePort?: number;
  sessionAffinity?: string;
  selector?: Record<string, string>;
  ports?: ServicePort[];
}

/** kube-apiserver's default --service-node-port-range. */
export const NODE_PORTS = { first: 30_000, last: 32_767 };
const SERVICE = { group: '', kind: 'Service' };
export const CLUSTER_IPS = 'clusterips';
const PORTS = 'nodeports';
/** Addresses that are given only when asked for, as upstream: 16 to 256, a sixteenth of the range. */
const STATIC = { least: 16n, most: 256n, share: 16n };

const specOf = (object: KubeObject): ServiceSpec => {
  object.spec ??= {};
  return object.spec as ServiceSpec;
};
const ownerOf = (object: KubeObject): string => `${object.metadata?.namespace}/${object.metadata?.name}`;
const hasClusterIp = (spec: ServiceSpec): boolean => spec.type !== 'ExternalName';
const hasNodePorts = (spec: ServiceSpec): boolean =>
  spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
const wantsHealthPort = (spec: ServiceSpec): boolean =>
  spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';

function refuse(object: KubeObject, field: string, message: string): never {
  const error: FieldError = { field, type: 'FieldValueInvalid', message };
  throw invalid(SERVICE, object.metadata?.name ?? '', [error]);
}

/** A random free address above the static part; the whole range when that is full. */
function freeAddress(object: KubeObject, { reservations, serviceCidr }: StrategyContext): string {
  const size = cidrSize(serviceCidr);
  const share = size / STATIC.share;
  const low = share < STATIC.least ? STATIC.least : share > STATIC.most ? STATIC.most : share;
  // Neither the network's own address nor, as upstream, the last.
  const [first, last] = [1n, size - 2n];
  const start = low < last ? low : first;
  const span = Number(last - start + 1n);
  const offset = Math.floor(Math.random() * span);
  const candidate = (index: bigint) => formatAddress(nthAddress(serviceCidr, index));
  for (let step = 0; step < span; step++) {
    const address = candidate(start + BigInt((offset + step) % span));
    if (reservations.owner(CLUSTER_IPS, address) === undefined) return address;
  }
  for (let index = first; index < start; index++) {
    const address = candidate(index);
    if (reservations.owner(CLUSTER_IPS, address) === undefined) return address;
  }
  throw internalError(
    `failed to allocate a serviceIP for ${ownerOf(object)}: range is full: ${formatAddress(nthAddress(serviceCidr, 0))}/${serviceCidr.prefixLength}`,
  );
}

function takeAddress(object: KubeObject, spec: ServiceSpec, context: StrategyContext): void {
  const asked = spec.clusterIP;
  if (!asked) {
    spec.clusterIP = freeAddress(object, context);
  } else if (!isAddress(asked) || !cidrContains(context.serviceCidr, parseAddress(asked))) {
    refuse(
      object,
      'spec.clusterIPs',
      `Invalid value: ${JSON.stringify([asked])}: failed to allocate IP ${asked}: the provided IP is not in the valid range. The range of valid IPs is ${formatAddress(nthAddress(context.serviceCidr, 0))}/${context.serviceCidr.prefixLength}`,
    );
  }
  const address = spec.clusterIP as string;
  spec.clusterIPs = [address];
  if (!take(context, CLUSTER_IPS, address, ownerOf(object)))
    refuse(
      object,
      'spec.clusterIPs',
      `Invalid value: ${JSON.stringify([address])}: failed to allocate IP ${address}: provided IP is already allocated`,
    );
}

/** A dry run takes nothing, but is refused like a real one. */
function take({ reservations, dryRun }: StrategyContext, pool: string, item: string, owner: string): boolean {
  if (!dryRun) return reservations.take(pool, item, owner);
  const current = reservations.owner(pool, item);
  return current === undefined || current === owner;
}

function freePort({ reservations }: StrategyContext, protocol: string, taken: Set<string>): number {
  const span = NODE_PORTS.last - NODE_PORTS.first + 1;
  const offset = Math.floor(Math.random() * span);
  for (let step = 0; step < span; step++) {
    const port = NODE_PORTS.first + ((offset + step) % span);
    const item = `${protocol}:${port}`;
    if (!taken.has(item) && reservations.owner(PORTS, item) === undefined) return port;
  }
  throw internalError('failed to allocate a nodePort: range is full');
}

function takePorts(object: KubeObject, spec: ServiceSpec, context: StrategyContext): void {
  const owner = ownerOf(object);
  const taken = new Set<string>();
  const one = (port: number, protocol: string, field: string): number => {
    const item = `${protocol}:${port}`;
    if (port < NODE_PORTS.first || port > NODE_PORTS.last)
      refuse(
        object,
        field,
        `Invalid value: ${port}: provided port is not in the valid range. The range of valid ports is ${NODE_PORTS.first}-${NODE_PORTS.last}`,
      );
    if (!take(context, PORTS, item, owner))
      refuse(object, field, `Invalid value: ${port}: provided port is already allocated`);
    taken.add(item);
    return port;
  };
  const ports = spec.ports ?? [];
  // What is asked for first, so that no free choice is in its way.
  for (const [index, port] of ports.entries())
    if (port.nodePort) one(port.nodePort, port.protocol ?? 'TCP', `spec.ports[${index}].nodePort`);
  for (const [index, port] of ports.entries()) {
    if (port.nodePort) continue;
    const protocol = port.protocol ?? 'TCP';
    // One number for both protocols of a port, as for DNS.
    const twin = ports.find((other) => other.port === port.port && other.nodePort)?.nodePort;
    const free = twin && reservationFree(context, `${protocol}:${twin}`, taken) ? twin : undefined;
    port.nodePort = one(
      free ?? freePort(context, protocol, taken),
      protocol,
      `spec.ports[${index}].nodePort`,
    );
  }
  if (wantsHealthPort(spec))
    spec.healthCheckNodePort = one(
      spec.healthCheckNodePort || freePort(context, 'TCP', taken),
      'TCP',
      'spec.healthCheckNodePort',
    );
}

function reservationFree({ reservations }: StrategyContext, item: string, taken: Set<string>): boolean {
  return !taken.has(item) && reservations.owner(PORTS, item) === undefined;
}

/** The reservations that an object holds. */
function held(object: KubeObject): [pool: string, item: string][] {
  const spec = specOf(object);
  const found: [string, string][] = [];
  if (hasClusterIp(spec) && spec.clusterIP && spec.clusterIP !== 'None')
    found.push([CLUSTER_IPS, spec.clusterIP]);
  for (const port of spec.ports ?? [])
    if (port.nodePort) found.push([PORTS, `${port.protocol ?? 'TCP'}:${port.nodePort}`]);
  if (spec.healthCheckNodePort) found.push([PORTS, `TCP:${spec.healthCheckNodePort}`]);
  return found;
}

export const serviceStrategy: Strategy = {
  prepareCreate(object) {
    object.status = { loadBalancer: {} };
    const spec = specOf(object);
    if (!spec.clusterIP && spec.clusterIPs?.[0]) spec.clusterIP = spec.clusterIPs[0];
    if (!hasClusterIp(spec)) return;
    spec.ipFamilies ??= ['IPv4'];
    spec.ipFamilyPolicy ??= 'SingleStack';
    spec.internalTrafficPolicy ??= 'Cluster';
    if (spec.clusterIP === 'None') spec.clusterIPs = ['None'];
    if (spec.type === 'NodePort' || spec.type === 'LoadBalancer') spec.externalTrafficPolicy ??= 'Cluster';
    if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true;
  },
  prepareUpdate(object, live) {
    const [spec, old] = [specOf(object), specOf(live)];
    if (!hasClusterIp(spec)) {
      if (spec.clusterIP === old.clusterIP) delete spec.clusterIP;
      if (spec.clusterIPs?.[0] === old.clusterIPs?.[0]) delete spec.clusterIPs;
      for (const field of ['ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy'] as const)
        delete spec[field];
      return;
    }
    // A client that replaces the whole object need not repeat what the server gave; one that knows only one address changes both fields.
    spec.clusterIP ||= old.clusterIP ?? '';
    if (spec.clusterIP !== old.clusterIP && spec.clusterIPs?.join() === old.clusterIPs?.join())
      spec.clusterIPs = spec.clusterIP ? [spec.clusterIP] : [];
    if (!spec.clusterIPs?.length && old.clusterIPs) spec.clusterIPs = old.clusterIPs;
    if (!spec.clusterIP) delete spec.clusterIP;
    spec.ipFamilies ??= old.ipFamilies ?? ['IPv4'];
    spec.ipFamilyPolicy ??= old.ipFamilyPolicy ?? 'SingleStack';
    spec.internalTrafficPolicy ??= old.internalTrafficPolicy ?? 'Cluster';
    if (spec.type === 'NodePort' || spec.type === 'LoadBalancer') {
      spec.externalTrafficPolicy ??= old.externalTrafficPolicy ?? 'Cluster';
      for (const port of spec.ports ?? [])
        if (!port.nodePort) {
          const before = old.ports?.find(
            (one) => one.port === port.port && (one.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
          );
          if (before?.nodePort) port.nodePort = before.nodePort;
        }
    } else {
      delete spec.externalTrafficPolicy;
      const before = new Set((old.ports ?? []).map((one) => one.nodePort));
      for (const port of spec.ports ?? []) if (before.has(port.nodePort)) delete port.nodePort;
    }
    if (spec.type === 'LoadBalancer')
      spec.allocateLoadBalancerNodePorts ??= old.allocateLoadBalancerNodePorts ?? true;
    else delete spec.allocateLoadBalancerNodePorts;
    if (wantsHealthPort(spec)) spec.healthCheckNodePort ??= old.healthCheckNodePort ?? 0;
    else delete spec.healthCheckNodePort;
  },
  reserve(object, live, context) {
    const spec = specOf(object);
    if (hasClusterIp(spec) && spec.clusterIP !== 'None') takeAddress(object, spec, context);
    if (hasNodePorts(spec)) takePorts(object, spec, context);
    if (!live || context.dryRun) return;
    const kept = new Set(held(object).map(([pool, item]) => `${pool}/${item}`));
    for (const [pool, item] of held(live))
      if (!kept.has(`${pool}/${item}`)) context.reservations.release(pool, item, ownerOf(live));
  },
  release(object, { reservations }) {
    for (const [pool, item] of held(object)) reservations.release(pool, item, ownerOf(object));
  },
};
