import { cidrContains, parseCidr } from '../../address/cidr.ts';
import { formatAddress, parseAddress } from '../../address/ip.ts';
import { firstFreeHost, isReservedInSubnet } from '../../address/subnet.ts';
import type { Inventory, Named } from '../azure/door/inventory.ts';
import { addressesIn, findNetwork, freePublicAddress } from '../azure/door/network.ts';
import { usersOfPublicIp } from '../azure/door/public-ip.ts';
import { nodeGroup, resourceGroup } from '../azure/ids.ts';
import type { Cluster, LoadBalancer, PublicIpAddress } from '../azure/types.ts';
import { LabError, pickByName } from '../errors.ts';
import { ownerOfName } from './service.ts';
import type { Wish } from './wish.ts';

export type Frontend = LoadBalancer['frontends'][number];

/** A frontend for a wish, and the public address that has to be made for it. */
export interface FrontendChoice {
  readonly frontend: Frontend;
  readonly made?: { readonly name: string; readonly group: string; readonly properties: PublicIpAddress };
}

/**
 * The frontend that a Service gets: one that exists when the Service names its address, else one of its own.
 * @param balancer - the load balancer as it is, without this Service's rules
 * @throws LabError when the address cannot be had
 */
export function frontendFor(
  inventory: Inventory,
  cluster: Named<Cluster>,
  balancer: LoadBalancer,
  wish: Wish,
): FrontendChoice {
  return wish.internal
    ? { frontend: internalFrontend(inventory, cluster, balancer, wish) }
    : publicFrontend(inventory, cluster, balancer, wish);
}

function publicFrontend(
  inventory: Inventory,
  cluster: Named<Cluster>,
  balancer: LoadBalancer,
  wish: Wish,
): FrontendChoice {
  const { name, made, address } = publicAddress(inventory, cluster, wish);
  const shared = balancer.frontends.find((frontend) => frontend.publicIpAddress === name);
  if (shared) return { frontend: shared };
  if (!made) refuseForeign(inventory, name, address);
  const frontend = { name: wish.owner, address, publicIpAddress: name };
  return made ? { frontend, made } : { frontend };
}

function publicAddress(
  inventory: Inventory,
  cluster: Named<Cluster>,
  wish: Wish,
): { name: string; address: string; made?: NonNullable<FrontendChoice['made']> } {
  const group = wish.resourceGroup ?? nodeGroup(cluster.name);
  if (wish.publicIpAddress === undefined && wish.address !== undefined) {
    return addressInGroup(inventory, group, wish.address);
  }
  const name = wish.publicIpAddress ?? `kubernetes-${wish.owner}`;
  const found = inventory.publicIpAddresses.find((each) => each.name === name);
  if (found) {
    checkGroup(found, group, 'service.beta.kubernetes.io/azure-pip-name', name);
    if (wish.address !== undefined && wish.address !== found.address) {
      throw new LabError({
        code: 'PublicIPAddressMismatch',
        field: 'service.beta.kubernetes.io/azure-load-balancer-ipv4',
        value: wish.address,
        rule: `is not the address of ${name}, which is ${found.address}`,
        fix: 'name one of the two',
      });
    }
    return { name, address: found.address };
  }
  // As on Azure: a name that there is not is made.
  const address = freePublicAddress(inventory);
  return { name, address, made: { name, group, properties: { address, cluster: cluster.name } } };
}

function addressInGroup(
  inventory: Inventory,
  group: string,
  address: string,
): { name: string; address: string } {
  const found = inventory.publicIpAddresses.find((each) => each.address === address);
  const field = 'service.beta.kubernetes.io/azure-load-balancer-ipv4';
  if (found) {
    checkGroup(found, group, field, address);
    return { name: found.name, address };
  }
  throw new LabError({
    code: 'PublicIPAddressNotFound',
    field,
    value: address,
    rule: `is no public address resource: user supplied IP Address ${address} was not found in resource group ${group}`,
    fix: 'make one (flyover public-ip create NAME) and name that, or leave the address out to get a free one',
  });
}

/** Azure looks in one resource group only. */
function checkGroup(found: Named<PublicIpAddress>, group: string, field: string, value: string): void {
  const actual = resourceGroup(found.id);
  if (actual.toLowerCase() === group.toLowerCase()) return;
  throw new LabError({
    code: 'PublicIPAddressNotFound',
    field,
    value,
    rule: `was not found in resource group ${group}: ${found.name} (${found.address}) is in ${actual}`,
    fix: `add the annotation service.beta.kubernetes.io/azure-load-balancer-resource-group: ${actual}`,
  });
}

function refuseForeign(inventory: Inventory, name: string, address: string): void {
  const users = usersOfPublicIp(inventory, name);
  if (users.length === 0) return;
  throw new LabError({
    code: 'PublicIPAddressInUse',
    field: 'public address',
    value: `${name} (${address})`,
    rule: `belongs to ${users.join(', ')}`,
    fix: 'make another one: flyover public-ip create NAME',
    status: 409,
  });
}

function internalFrontend(
  inventory: Inventory,
  cluster: Named<Cluster>,
  balancer: LoadBalancer,
  wish: Wish,
): Frontend {
  const network = findNetwork(inventory, cluster.virtualNetwork);
  const field = 'service.beta.kubernetes.io/azure-load-balancer-internal-subnet';
  const kind = `subnet of virtual network ${network.name} (${field})`;
  const subnet = pickByName(kind, network.subnets, wish.subnet ?? cluster.subnet);
  const range = parseCidr(subnet.addressPrefix);
  const stays = balancer.frontends.find(
    (each) => ownerOfName(each.name) === wish.owner && each.subnet === subnet.name,
  );
  const taken = addressesIn(inventory, network.name, subnet);
  if (wish.address === undefined) {
    if (stays) return stays;
    const free = firstFreeHost(
      range,
      taken.map((address) => parseAddress(address)),
    );
    if (free) return { name: wish.owner, address: formatAddress(free), subnet: subnet.name };
    throw new LabError({
      code: 'SubnetIsFull',
      field: 'subnet',
      value: subnet.name,
      rule: `(${subnet.addressPrefix}) with address prefix does not have enough capacity for 1 IP address`,
      fix: 'name another subnet with the annotation azure-load-balancer-internal-subnet, or remove a node, a host or a Service from it',
      status: 409,
    });
  }
  const shared = balancer.frontends.find(
    (frontend) => frontend.subnet === subnet.name && frontend.address === wish.address,
  );
  if (shared) return shared;
  checkInternalAddress(wish.address, range, subnet, taken);
  return { name: wish.owner, address: wish.address, subnet: subnet.name };
}

function checkInternalAddress(
  text: string,
  range: ReturnType<typeof parseCidr>,
  subnet: { name: string; addressPrefix: string },
  taken: readonly string[],
): void {
  const field = 'service.beta.kubernetes.io/azure-load-balancer-ipv4';
  const fix = 'leave it out to get a free one, or name a free address of the subnet';
  const address = parseAddress(text, field);
  const refuse = (code: string, rule: string): LabError =>
    new LabError({ code, field, value: text, rule, fix });
  const where = `the subnet ${subnet.name} (${subnet.addressPrefix})`;
  if (!cidrContains(range, address)) {
    throw refuse('PrivateIPAddressNotInSubnet', `does not belong to the range of ${where}`);
  }
  if (isReservedInSubnet(range, address)) {
    throw refuse('PrivateIPAddressInReservedRange', `falls within reserved IP range of ${where}`);
  }
  if (taken.includes(formatAddress(address))) {
    throw refuse('PrivateIPAddressIsAllocated', `is allocated to somebody else in ${where}`);
  }
}
