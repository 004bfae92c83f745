/** The lab's only subscription. */
export const SUBSCRIPTION = '00000000-0000-0000-0000-000000000000';
/** The resource group that the `flyover` commands work in. */
export const DEFAULT_GROUP = 'lab';

/** The resource group that holds what a cluster's own controllers make, by AKS's pattern. */
export function nodeGroup(cluster: string): string {
  return `MC_${DEFAULT_GROUP}_${cluster}_local`;
}

/** The types that the store knows, and the ARM path segments they are written with. */
export const TYPES = {
  virtualNetwork: 'Microsoft.Network/virtualNetworks',
  peering: 'Microsoft.Network/virtualNetworks/virtualNetworkPeerings',
  cluster: 'Microsoft.ContainerService/managedClusters',
  machine: 'Microsoft.ContainerService/managedClusters/machines',
  publicIpAddress: 'Microsoft.Network/publicIPAddresses',
  natGateway: 'Microsoft.Network/natGateways',
  routeTable: 'Microsoft.Network/routeTables',
  loadBalancer: 'Microsoft.Network/loadBalancers',
  host: 'Flyover.Lab/hosts',
  site: 'Flyover.Lab/sites',
} as const;

export type ResourceType = (typeof TYPES)[keyof typeof TYPES];

/** Builds an ARM resource id; a nested type takes one name a level. */
export function resourceId(type: ResourceType, names: string[], group = DEFAULT_GROUP): string {
  const [provider, ...levels] = type.split('/');
  if (levels.length !== names.length)
    throw new RangeError(`${type} wants ${levels.length} names, not ${names.length}`);
  const path = levels.map((level, i) => `${level}/${names[i]}`).join('/');
  return `/subscriptions/${SUBSCRIPTION}/resourceGroups/${group}/providers/${provider}/${path}`;
}

/** ARM ids are compared without regard to case: this is the form that the store keys by. */
export function resourceKey(id: string): string {
  return id.toLowerCase();
}

/** The resource group of an ARM id. */
export function resourceGroup(id: string): string {
  return id.split('/')[4]!;
}

/** The last name of an ARM id. */
export function resourceName(id: string): string {
  return id.slice(id.lastIndexOf('/') + 1);
}
