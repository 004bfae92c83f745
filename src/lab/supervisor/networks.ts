import {
  checkPeering,
  findNetwork,
  newVirtualNetwork,
  type VirtualNetworkRequest,
  withSubnet,
} from '../azure/door/network.ts';
import { type SubnetGateways, withSubnetGateways } from '../azure/door/subnet.ts';
import { resourceId, resourceName, TYPES } from '../azure/ids.ts';
import type { Peering, Subnet, VirtualNetwork } from '../azure/types.ts';
import { LabError, notFound } from '../errors.ts';
import type { LabContext } from './context.ts';
import type { NetworkView } from './views.ts';

/** Virtual networks, their subnets and peerings. Each call is done when it returns. */
export class Networks {
  readonly #lab: LabContext;

  constructor(lab: LabContext) {
    this.#lab = lab;
  }

  list(): NetworkView[] {
    const { peerings } = this.#lab.inventory();
    return this.#lab.store.list<VirtualNetwork>(TYPES.virtualNetwork).map((network) => ({
      ...network,
      peers: peerings
        .filter((peering) => peering.from === network.name)
        .map((peering) => resourceName(peering.remoteVirtualNetwork)),
    }));
  }

  /** @throws LabError, AddressError */
  create(request: VirtualNetworkRequest): NetworkView {
    const inventory = this.#lab.inventory();
    if (inventory.virtualNetworks.some((network) => network.name === request.name)) {
      throw new LabError({
        code: 'VnetExists',
        field: 'NAME',
        value: request.name,
        rule: 'is the name of a virtual network that exists',
        fix: 'choose another name, or delete that network',
        status: 409,
      });
    }
    return this.#write(request.name, newVirtualNetwork(inventory, request));
  }

  /** @throws LabError, AddressError */
  addSubnet(network: string, subnet: Subnet): NetworkView {
    const inventory = this.#lab.inventory();
    const { name, id: _id, ...properties } = findNetwork(inventory, network);
    if (properties.subnets.some((other) => other.name === subnet.name)) {
      throw new LabError({
        code: 'SubnetExists',
        field: 'SUBNET',
        value: subnet.name,
        rule: `exists in virtual network ${name}`,
        fix: 'choose another name',
        status: 409,
      });
    }
    return this.#write(name, withSubnet(inventory, name, properties, subnet, 'SUBNET'));
  }

  /** Associates a subnet with a NAT gateway or a route table, or with none any more. @throws LabError */
  updateSubnet(network: string, subnet: string, gateways: SubnetGateways): NetworkView {
    return this.#write(network, withSubnetGateways(this.#lab.inventory(), network, subnet, gateways));
  }

  /** Peers two networks in both directions. Doing it again changes nothing. @throws LabError */
  peer(a: string, b: string): void {
    const inventory = this.#lab.inventory();
    checkPeering(inventory, a, b);
    this.#lab.change(() => {
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        this.#lab.store.put<Peering>({
          id: resourceId(TYPES.peering, [from, `to-${to}`]),
          type: TYPES.peering,
          provisioningState: 'Succeeded',
          properties: { remoteVirtualNetwork: findNetwork(inventory, to).id },
        });
      }
    });
  }

  /** Ends a peering in both directions. @throws LabError NotFound */
  unpeer(a: string, b: string): void {
    const inventory = this.#lab.inventory();
    for (const name of [a, b]) findNetwork(inventory, name);
    const peers = inventory.peerings.filter((p) => p.from === a).map((p) => p.id);
    const id = resourceId(TYPES.peering, [a, `to-${b}`]);
    if (!peers.includes(id)) {
      throw notFound(`peering of ${a}`, b, this.list().find((network) => network.name === a)!.peers);
    }
    this.#lab.change(() => {
      this.#lab.store.delete(id);
      this.#lab.store.delete(resourceId(TYPES.peering, [b, `to-${a}`]));
    });
  }

  /** @throws LabError `NotFound`, `InUseVnetCannotBeDeleted` */
  delete(name: string): void {
    const inventory = this.#lab.inventory();
    const network = findNetwork(inventory, name);
    const users = [
      ...inventory.clusters.filter((c) => c.virtualNetwork === name).map((c) => `cluster ${c.name}`),
      ...inventory.hosts
        .filter(({ place }) => place.kind === 'vnet' && place.virtualNetwork === name)
        .map((h) => `host ${h.name}`),
      ...inventory.sites.filter((s) => s.virtualNetwork === name).map((s) => `on-premises site ${s.name}`),
    ];
    if (users.length > 0) {
      throw new LabError({
        code: 'InUseVnetCannotBeDeleted',
        field: 'NAME',
        value: name,
        rule: `is in use by ${users.join(', ')}`,
        fix: 'delete these first',
        status: 409,
      });
    }
    this.#lab.change(() => {
      for (const peering of inventory.peerings) {
        if (peering.from === name || peering.remoteVirtualNetwork === network.id)
          this.#lab.store.delete(peering.id);
      }
      this.#lab.store.delete(network.id);
    });
  }

  #write(name: string, properties: VirtualNetwork): NetworkView {
    this.#lab.change(() =>
      this.#lab.store.put<VirtualNetwork>({
        id: resourceId(TYPES.virtualNetwork, [name]),
        type: TYPES.virtualNetwork,
        provisioningState: 'Succeeded',
        properties,
      }),
    );
    return this.list().find((network) => network.name === name)!;
  }
}
