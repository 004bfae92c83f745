import { cidrContains, cidrSize, nthAddress } from '../../../../address/cidr.ts';
import { formatAddress, isAddress, parseAddress } from '../../../../address/ip.ts';
import type { Service } from '../../../../kube/types.ts';
import { serviceDefaults } from '../../defaults/network.ts';
import type { FieldError, KubeObject } from '../../schema/types.ts';
import { internalError, invalid } from '../status.ts';
import { settleFamilies } from './service-families.ts';
import {
  dropForeignFields,
  getsNodePorts,
  hasClusterIp,
  hasNodePorts,
  keepAllocated,
  linkClusterIps,
  type ServiceSpec,
  specOf,
  wantsHealthPort,
} from './service-fields.ts';
import type { Strategy, StrategyContext } from './types.ts';

/** kube-apiserver's default --service-node-port-range. */
export const NODE_PORTS = { first: 30_000, last: 32_767 };
const SERVICE = { group: '', kind: 'Service' };
export const CLUSTER_IPS = 'clusterips';
const PORTS = 'nodeports';
/** Addresses that are given only when asked for, as upstream: 16 to 256, a sixteenth of the range. */
const STATIC = { least: 16n, most: 256n, share: 16n };

const ownerOf = (object: KubeObject): string => `${object.metadata?.namespace}/${object.metadata?.name}`;

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
    if (port.nodePort || !getsNodePorts(spec)) continue;
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

/** @throws StatusError 422 */
function settle(object: KubeObject, old: ServiceSpec | undefined): void {
  const errors = settleFamilies(specOf(object), old);
  if (errors.length > 0) throw invalid(SERVICE, object.metadata?.name ?? '', errors);
}

export const serviceStrategy: Strategy = {
  prepareCreate(object) {
    object.status = { loadBalancer: {} };
    const spec = specOf(object);
    linkClusterIps(spec, undefined);
    settle(object, undefined);
  },
  prepareUpdate(object, live) {
    const [spec, old] = [specOf(object), specOf(live)];
    // What a type's fields are depends on the type, which a replaced object need not name.
    serviceDefaults(object as Service);
    linkClusterIps(spec, old);
    keepAllocated(spec, old);
    dropForeignFields(spec, old);
    settle(object, hasClusterIp(old) ? old : undefined);
    if (spec.type !== 'LoadBalancer') object.status = { ...(live.status as object), loadBalancer: {} };
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
