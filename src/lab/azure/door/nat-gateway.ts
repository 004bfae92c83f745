import { LabError, pickByName } from '../../errors.ts';
import type { NatGateway } from '../types.ts';
import { checkCount, checkName } from './checks.ts';
import type { Inventory, Named } from './inventory.ts';
import { claimPublicIp } from './public-ip.ts';

/** Addresses of one NAT gateway. Source: Azure NAT gateway limits. */
export const MOST_NAT_ADDRESSES = 16;
/** Minutes of a NAT gateway's or a load balancer's outbound idle timeout, and AKS's defaults. */
export const IDLE_TIMEOUT = { least: 4, most: 120, natGateway: 4, loadBalancer: 30 };

export interface NatGatewayRequest {
  name: string;
  publicIpAddresses: string[];
  idleTimeout?: number | string | undefined;
}

/** @throws LabError */
export function newNatGateway(inventory: Inventory, request: NatGatewayRequest): NatGateway {
  const { name } = request;
  checkName('NAME', name);
  if (inventory.natGateways.some((gateway) => gateway.name === name)) {
    throw new LabError({
      code: 'NatGatewayExists',
      field: 'NAME',
      value: name,
      rule: 'is the name of a NAT gateway that exists',
      fix: 'choose another name, or delete that gateway',
      status: 409,
    });
  }
  const publicIpAddresses = [...new Set(request.publicIpAddresses)];
  checkCount('number of --public-ip', publicIpAddresses.length, 1, MOST_NAT_ADDRESSES);
  for (const each of publicIpAddresses) claimPublicIp(inventory, '--public-ip', each, `NAT gateway ${name}`);
  const idle = request.idleTimeout ?? IDLE_TIMEOUT.natGateway;
  return {
    publicIpAddresses,
    idleTimeoutInMinutes: checkCount('--idle-timeout', idle, IDLE_TIMEOUT.least, IDLE_TIMEOUT.most),
  };
}

/** Subnets that a NAT gateway serves, as `network/subnet`. */
export function subnetsOfNatGateway(inventory: Inventory, name: string): string[] {
  return inventory.virtualNetworks.flatMap((network) =>
    network.subnets
      .filter((subnet) => subnet.natGateway === name)
      .map((subnet) => `${network.name}/${subnet.name}`),
  );
}

/** @throws LabError `NotFound`, `InUseNatGatewayCannotBeDeleted` */
export function deletableNatGateway(inventory: Inventory, name: string): Named<NatGateway> {
  const found = pickByName('NAT gateway', inventory.natGateways, name);
  const users = subnetsOfNatGateway(inventory, name).map((subnet) => `subnet ${subnet}`);
  if (found.cluster !== undefined) users.push(`cluster ${found.cluster}, which made it`);
  if (users.length === 0) return found;
  throw new LabError({
    code: 'InUseNatGatewayCannotBeDeleted',
    field: 'NAME',
    value: name,
    rule: `is in use by ${users.join(', ')}`,
    fix: 'flyover vnet update-subnet NETWORK SUBNET --no-nat-gateway takes it from a subnet',
    status: 409,
  });
}
