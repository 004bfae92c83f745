import { LabError } from '../../errors.ts';
import { PORTS_PER_ADDRESS } from '../../fabric/snat-ports.ts';
import type { NatGateway, Outbound, OutboundType, PublicIpAddress, VirtualNetwork } from '../types.ts';
import { checkCount } from './checks.ts';
import type { Inventory } from './inventory.ts';
import { IDLE_TIMEOUT, MOST_NAT_ADDRESSES } from './nat-gateway.ts';
import { DEFAULT_NETWORK, freePublicAddress } from './network.ts';
import { checkRouting, checkUserGateway } from './outbound-subnet.ts';
import { claimPublicIp } from './public-ip.ts';

/** Public addresses of a cluster's outbound. */
const MOST_ADDRESSES = 16;
const OUTBOUND_TYPES: readonly OutboundType[] = [
  'loadBalancer',
  'managedNATGateway',
  'userAssignedNATGateway',
  'userDefinedRouting',
  'none',
];

/** What may be said about a cluster's way out; the words of `az aks create`. */
export interface OutboundRequest {
  outboundType?: string | undefined;
  loadBalancerManagedOutboundIpCount?: number | string | undefined;
  /** Names of public addresses. */
  loadBalancerOutboundIps?: string[] | undefined;
  loadBalancerOutboundPorts?: number | string | undefined;
  /** Minutes. */
  loadBalancerIdleTimeout?: number | string | undefined;
  natGatewayManagedOutboundIpCount?: number | string | undefined;
  /** Minutes. */
  natGatewayIdleTimeout?: number | string | undefined;
}

/** The cluster whose way out it is. */
export interface OutboundCluster {
  name: string;
  network: { name: string; properties: VirtualNetwork };
  subnet: string;
  /** The most nodes that it may have. */
  nodes: number;
  /** What it has now; absent for a new cluster. */
  outbound?: Outbound | undefined;
}

/** What to write, all of it in one transaction. */
export interface NewOutbound {
  outbound: Outbound;
  /** Public addresses to make, in the cluster's group. */
  made: { name: string; properties: PublicIpAddress }[];
  /** Names of the cluster's own public addresses that nothing needs any more. */
  gone: string[];
  /** The managed NAT gateway as it has to be; absent: there is none. */
  natGateway?: { name: string; properties: NatGateway };
}

/** The name of a cluster's managed NAT gateway. */
export function managedGatewayName(cluster: string): string {
  return `${cluster}-natgateway`;
}

/**
 * A cluster's way out. What is not said stays as it is when the type stays, and has AKS's defaults otherwise.
 * @param besides - public addresses that are being taken in the same transaction
 * @throws LabError naming the flag, the value, the rule and the way out. Pure.
 */
export function newOutbound(
  inventory: Inventory,
  cluster: OutboundCluster,
  request: OutboundRequest,
  besides: readonly string[] = [],
): NewOutbound {
  const type = typeOf(request.outboundType ?? cluster.outbound?.type ?? 'loadBalancer');
  refuseStrangers(type, request);
  const former = cluster.outbound?.type === type ? cluster.outbound : undefined;
  const own = ownAddresses(inventory, cluster);
  const without = (outbound: Outbound): NewOutbound => ({ outbound, made: [], gone: own });
  switch (type) {
    case 'loadBalancer':
      return throughLoadBalancer(inventory, cluster, request, former, own, besides);
    case 'managedNATGateway':
      return throughManagedGateway(inventory, cluster, request, former, own, besides);
    case 'userAssignedNATGateway':
      checkUserGateway(cluster, managedGatewayName(cluster.name));
      return without({ type });
    case 'userDefinedRouting':
      checkRouting(inventory, cluster);
      return without({ type });
    case 'none':
      return without({ type });
  }
}

function typeOf(text: string): OutboundType {
  const found = OUTBOUND_TYPES.find((type) => type.toLowerCase() === text.toLowerCase());
  if (found) return found;
  throw new LabError({
    code: 'InvalidOutboundType',
    field: '--outbound-type',
    value: text,
    rule: 'is no type of outbound',
    fix: `give one of ${OUTBOUND_TYPES.join(', ')}`,
  });
}

/** A flag of another type would be forgotten silently. */
function refuseStrangers(type: OutboundType, request: OutboundRequest): void {
  const flags: [string, unknown, OutboundType][] = [
    ['--load-balancer-managed-outbound-ip-count', request.loadBalancerManagedOutboundIpCount, 'loadBalancer'],
    ['--load-balancer-outbound-ips', request.loadBalancerOutboundIps, 'loadBalancer'],
    ['--load-balancer-outbound-ports', request.loadBalancerOutboundPorts, 'loadBalancer'],
    ['--load-balancer-idle-timeout', request.loadBalancerIdleTimeout, 'loadBalancer'],
    [
      '--nat-gateway-managed-outbound-ip-count',
      request.natGatewayManagedOutboundIpCount,
      'managedNATGateway',
    ],
    ['--nat-gateway-idle-timeout', request.natGatewayIdleTimeout, 'managedNATGateway'],
  ];
  const stranger = flags.find(([, value, of]) => value !== undefined && of !== type);
  if (!stranger) return;
  throw new LabError({
    code: 'InvalidParameter',
    field: stranger[0],
    value: String(stranger[1]).slice(0, 80),
    rule: `belongs to --outbound-type ${stranger[2]}, and the type is ${type}`,
    fix: `leave it out, or say --outbound-type ${stranger[2]}`,
  });
}

/** Public addresses that were made for the cluster's way out, in their order. */
function ownAddresses(inventory: Inventory, { name, outbound }: OutboundCluster): string[] {
  const mine = new Set(inventory.publicIpAddresses.filter((p) => p.cluster === name).map((p) => p.name));
  return (outbound?.publicIpAddresses ?? []).filter((each) => mine.has(each));
}

function throughLoadBalancer(
  inventory: Inventory,
  cluster: OutboundCluster,
  request: OutboundRequest,
  former: Outbound | undefined,
  own: string[],
  besides: readonly string[],
): NewOutbound {
  const countFlag = '--load-balancer-managed-outbound-ip-count';
  const { loadBalancerOutboundIps: named, loadBalancerManagedOutboundIpCount: count } = request;
  if (named && count !== undefined) {
    throw new LabError({
      code: 'InvalidParameter',
      field: countFlag,
      value: String(count).slice(0, 80),
      rule: 'cannot be combined with --load-balancer-outbound-ips',
      fix: 'say how many addresses are to be made, or which there are to use',
    });
  }
  const keepsNamed = count === undefined && former?.publicIpAddresses?.some((each) => !own.includes(each));
  const wanted = named ?? (keepsNamed ? former!.publicIpAddresses! : undefined);
  let addresses: Pick<NewOutbound, 'made' | 'gone'> & { names: string[] };
  if (wanted) {
    const names = [...new Set(wanted)];
    checkCount('number of --load-balancer-outbound-ips', names.length, 1, MOST_ADDRESSES);
    const me = `the outbound connections of cluster ${cluster.name}`;
    for (const each of names) claimPublicIp(inventory, '--load-balancer-outbound-ips', each, me);
    addresses = { names, made: [], gone: own };
  } else {
    const asked = count ?? (former ? Math.max(1, own.length) : 1);
    const many = checkCount(countFlag, asked, 1, MOST_ADDRESSES);
    addresses = managedAddresses(inventory, cluster, own, many, besides);
  }
  const ports = portsOf(request.loadBalancerOutboundPorts ?? former?.allocatedOutboundPorts ?? 0);
  const idle = request.loadBalancerIdleTimeout ?? former?.idleTimeoutInMinutes ?? IDLE_TIMEOUT.loadBalancer;
  const outbound: Outbound = {
    type: 'loadBalancer',
    publicIpAddresses: addresses.names,
    allocatedOutboundPorts: ports,
    idleTimeoutInMinutes: checkCount(
      '--load-balancer-idle-timeout',
      idle,
      IDLE_TIMEOUT.least,
      IDLE_TIMEOUT.most,
    ),
  };
  checkPorts(outbound, cluster.nodes);
  return { outbound, made: addresses.made, gone: addresses.gone };
}

function throughManagedGateway(
  inventory: Inventory,
  cluster: OutboundCluster,
  request: OutboundRequest,
  former: Outbound | undefined,
  own: string[],
  besides: readonly string[],
): NewOutbound {
  if (cluster.network.name !== DEFAULT_NETWORK.name) {
    throw new LabError({
      code: 'ManagedNATGatewayWithCustomVNetNotAllowed',
      field: '--outbound-type',
      value: 'managedNATGateway',
      rule: `is for clusters in the network that the lab manages (${DEFAULT_NETWORK.name}), and cluster ${cluster.name} is in ${cluster.network.name}`,
      fix: 'make a NAT gateway, attach it to the subnet (flyover vnet update-subnet … --nat-gateway NAME), and say --outbound-type userAssignedNATGateway',
    });
  }
  const many = checkCount(
    '--nat-gateway-managed-outbound-ip-count',
    request.natGatewayManagedOutboundIpCount ?? (former ? Math.max(1, own.length) : 1),
    1,
    MOST_NAT_ADDRESSES,
  );
  const idleTimeoutInMinutes = checkCount(
    '--nat-gateway-idle-timeout',
    request.natGatewayIdleTimeout ?? former?.idleTimeoutInMinutes ?? IDLE_TIMEOUT.natGateway,
    IDLE_TIMEOUT.least,
    IDLE_TIMEOUT.most,
  );
  const name = managedGatewayName(cluster.name);
  const subnet = cluster.network.properties.subnets.find((each) => each.name === cluster.subnet);
  if (subnet?.natGateway !== undefined && subnet.natGateway !== name) {
    throw new LabError({
      code: 'SubnetAlreadyHasNATGateway',
      field: '--outbound-type',
      value: 'managedNATGateway',
      rule: `needs the subnet ${subnet.name} for itself, and that has the NAT gateway ${subnet.natGateway}`,
      fix: 'say --outbound-type userAssignedNATGateway',
      status: 409,
    });
  }
  const { names, made, gone } = managedAddresses(inventory, cluster, own, many, besides);
  return {
    outbound: { type: 'managedNATGateway', publicIpAddresses: names, idleTimeoutInMinutes },
    made,
    gone,
    natGateway: {
      name,
      properties: { publicIpAddresses: names, idleTimeoutInMinutes, cluster: cluster.name },
    },
  };
}

/** So many addresses of the cluster's own: those that it has, then new ones. */
function managedAddresses(
  inventory: Inventory,
  { name }: OutboundCluster,
  own: string[],
  many: number,
  besides: readonly string[],
): Pick<NewOutbound, 'made' | 'gone'> & { names: string[] } {
  const names = own.slice(0, many);
  const made: NewOutbound['made'] = [];
  const taken = new Set(inventory.publicIpAddresses.map((each) => each.name));
  for (let i = 1; names.length < many; i++) {
    const candidate = `${name}-outbound-${i}`;
    if (taken.has(candidate)) continue;
    const address = freePublicAddress(inventory, [...besides, ...made.map((m) => m.properties.address)]);
    made.push({ name: candidate, properties: { address, cluster: name } });
    names.push(candidate);
  }
  return { names, made, gone: own.slice(many) };
}

function portsOf(value: number | string): number {
  const field = '--load-balancer-outbound-ports';
  const ports = checkCount(field, value, 0, PORTS_PER_ADDRESS);
  if (ports % 8 === 0) return ports;
  throw new LabError({
    code: 'InvalidLoadBalancerProfileAllocatedOutboundPorts',
    field,
    value: String(ports),
    rule: 'is not a multiple of 8',
    fix: `give ${ports - (ports % 8)}, ${ports - (ports % 8) + 8}, or 0 for AKS's own choice`,
  });
}

/** @throws LabError `InvalidLoadBalancerProfileAllocatedOutboundPorts` when so many nodes cannot all have their ports */
export function checkPorts(outbound: Outbound | undefined, nodes: number): void {
  const ports = outbound?.allocatedOutboundPorts;
  if (outbound?.type !== 'loadBalancer' || !ports) return;
  const addresses = outbound.publicIpAddresses?.length ?? 1;
  const available = PORTS_PER_ADDRESS * addresses;
  if (nodes * ports <= available) return;
  throw new LabError({
    code: 'InvalidLoadBalancerProfileAllocatedOutboundPorts',
    field: '--load-balancer-outbound-ports',
    value: String(ports),
    rule: `is too much: Load balancer profile allocated ports ${ports} is not in an allowable range given the number of nodes and IPs provisioned. Total node count ${nodes} requires ${nodes * ports} ports but only ${available} ports are available given ${addresses} outbound public IPs. Refer to https://aka.ms/aks/slb-ports for more details.`,
    fix: 'give fewer ports, more addresses (--load-balancer-managed-outbound-ip-count), or have fewer nodes',
  });
}
