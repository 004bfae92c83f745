import { LabError, pickByName } from '../../errors.ts';
import type { PublicIpAddress } from '../types.ts';
import { checkName } from './checks.ts';
import type { Inventory, Named } from './inventory.ts';
import { freePublicAddress } from './network.ts';

/** @throws LabError `PublicIPAddressExists`, `PublicAddressesExhausted` */
export function newPublicIp(inventory: Inventory, request: { name: string }): PublicIpAddress {
  checkName('NAME', request.name);
  if (inventory.publicIpAddresses.some((each) => each.name === request.name)) {
    throw new LabError({
      code: 'PublicIPAddressExists',
      field: 'NAME',
      value: request.name,
      rule: 'is the name of a public address that exists',
      fix: 'choose another name, or delete that address',
      status: 409,
    });
  }
  return { address: freePublicAddress(inventory) };
}

/** Who has a public address, in words: frontends of load balancers, NAT gateways, clusters' outbound. */
export function usersOfPublicIp(inventory: Inventory, name: string): string[] {
  const names = (all: readonly string[] | undefined): boolean => all?.includes(name) === true;
  return [
    ...inventory.loadBalancers.flatMap((balancer) =>
      balancer.frontends
        .filter((frontend) => frontend.publicIpAddress === name)
        .map((frontend) => `frontend ${frontend.name} of load balancer ${balancer.cluster}/${balancer.name}`),
    ),
    ...inventory.natGateways
      .filter((gateway) => names(gateway.publicIpAddresses))
      .map((gateway) => `NAT gateway ${gateway.name}`),
    ...inventory.clusters
      .filter((cluster) => cluster.outbound?.type === 'loadBalancer')
      .filter((cluster) => names(cluster.outbound?.publicIpAddresses))
      .map((cluster) => `the outbound connections of cluster ${cluster.name}`),
  ];
}

/** The address, if it may be deleted by a person. @throws LabError `NotFound`, `PublicIPAddressCannotBeDeleted` */
export function deletablePublicIp(inventory: Inventory, name: string): Named<PublicIpAddress> {
  const found = pickByName('public address', inventory.publicIpAddresses, name);
  const users = usersOfPublicIp(inventory, name);
  if (found.cluster !== undefined) users.push(`cluster ${found.cluster}, which made it`);
  if (users.length === 0) return found;
  throw new LabError({
    code: 'PublicIPAddressCannotBeDeleted',
    field: 'NAME',
    value: name,
    rule: `is still allocated to ${users.join(', ')}`,
    fix: 'take it from there first; what a cluster made goes with its Service or with the cluster',
    status: 409,
  });
}

/**
 * A public address that somebody wants for an outbound path. One address serves one purpose: a NAT gateway's cannot be a load balancer's.
 * @param user - who wants it, in the words of {@link usersOfPublicIp}: it may have it already
 * @throws LabError `NotFound`, `PublicIPAddressInUse`
 */
export function claimPublicIp(inventory: Inventory, field: string, name: string, user: string): void {
  const found = pickByName(`public address (${field})`, inventory.publicIpAddresses, name);
  const others = usersOfPublicIp(inventory, name).filter((other) => other !== user);
  if (found.cluster !== undefined) others.push(`cluster ${found.cluster}, which made it for itself`);
  if (others.length === 0) return;
  throw new LabError({
    code: 'PublicIPAddressInUse',
    field,
    value: name,
    rule: `belongs to ${others.join(', ')}`,
    fix: 'make another one: flyover public-ip create NAME',
    status: 409,
  });
}
