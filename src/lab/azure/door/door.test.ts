import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cidrsOverlap, parseCidr } from '../../../address/cidr.ts';
import { LabError } from '../../errors.ts';
import { resourceId, TYPES } from '../ids.ts';
import { type ClusterRequest, newCluster } from './cluster.ts';
import { newHost, newSite } from './host.ts';
import type { Inventory } from './inventory.ts';
import { newMachines } from './machine.ts';
import { checkPeering, newVirtualNetwork, withSubnet } from './network.ts';
import { admit, codeOf, empty } from './testing.ts';

describe('clusters', () => {
  test('nodes get the lowest free address from .4 on, and the next /24 each', () => {
    const inventory = empty();
    admit(inventory, {
      name: 'shop',
      nodes: 3,
      vnet: 'v',
      vnetPrefix: '10.0.0.0/16',
      subnetPrefix: '10.0.1.0/24',
    });
    expect(inventory.machines.map((m) => [m.address, m.nodeBlock])).toEqual([
      ['10.0.1.4', '10.244.0.0/24'],
      ['10.0.1.5', '10.244.1.0/24'],
      ['10.0.1.6', '10.244.2.0/24'],
    ]);
  });

  test('the block, the address and the number of a node that left are the next one to give', () => {
    const inventory = empty();
    admit(inventory, { name: 'shop', nodes: 3 });
    const [, gone] = inventory.machines.splice(1, 1);
    expect(gone).toBeUndefined();
    const [again] = newMachines(inventory, inventory.clusters[0]!, 1);
    expect(again!.properties).toMatchObject({ index: 1, address: '10.0.1.5', nodeBlock: '10.244.1.0/24' });
  });

  test('a network of its owner is a choice, and no other word is one', () => {
    const inventory = empty();
    admit(inventory, { name: 'byo', networkPlugin: 'none' });
    admit(inventory, { name: 'shop' });
    expect(inventory.clusters.map((cluster) => cluster.networkPlugin)).toEqual(['none', 'azure']);
    expect(inventory.machines[0]!.nodeBlock).toBe('10.244.0.0/24');
    expect(codeOf(() => admit(inventory, { name: 'x', networkPlugin: 'None' }))).toBe('InvalidNetworkPlugin');
    expect(codeOf(() => admit(inventory, { name: 'x', networkPlugin: '' }))).toBe('InvalidNetworkPlugin');
  });

  test('a second cluster may have the same pod CIDR in the same network, in a subnet of its own', () => {
    const inventory = empty();
    admit(inventory, { name: 'one' });
    admit(inventory, { name: 'two' });
    expect(inventory.clusters.map((cluster) => [cluster.podCidr, cluster.subnet])).toEqual([
      ['10.244.0.0/16', 'nodes'],
      ['10.244.0.0/16', 'nodes-two'],
    ]);
  });

  test("a name whose nodes would have the names of another cluster's nodes is refused", () => {
    const inventory = empty();
    admit(inventory, { name: 'team-5591' });
    expect(() => newCluster(inventory, { name: 'team-13110', nodes: 1 })).toThrow(
      "NAME 'team-13110' gives its nodes the names of the nodes of cluster team-5591",
    );
  });

  test('a cluster with the longest name gets a subnet of its own, too', () => {
    const inventory = empty();
    admit(inventory, { name: 'one' });
    const name = 'x'.repeat(40);
    admit(inventory, { name });
    expect(inventory.clusters[1]!.subnet).toBe(`nodes-${name}`);
  });

  test('the subnet that it chooses keeps out of its own pod CIDR', () => {
    const inventory = empty();
    admit(inventory, { name: 'wide', vnet: 'v', vnetPrefix: '10.0.0.0/8', podCidr: '10.0.0.0/16' });
    expect(inventory.virtualNetworks[0]!.subnets[0]!.addressPrefix).toBe('10.1.0.0/24');
  });

  test('a thousand nodes are chosen in one go, and one more is refused', () => {
    const inventory = empty();
    const pods = { podCidr: '10.244.0.0/14', vnetPrefix: '10.0.0.0/8', subnetPrefix: '10.1.0.0/16' };
    admit(inventory, { name: 'big', vnet: 'v', nodes: 1000, ...pods });
    expect(new Set(inventory.machines.map((machine) => machine.nodeBlock)).size).toBe(1000);
    expect(() => newMachines(inventory, inventory.clusters[0]!, 1)).toThrow("'1001' is not a whole number");
  });

  const refusals: [string, Partial<ClusterRequest>, string][] = [
    ['a malformed pod CIDR', { podCidr: '10.244.0.0' }, 'malformed'],
    ['a pod CIDR with host bits', { podCidr: '10.244.1.0/16' }, 'host-bits-set'],
    ['a pod CIDR without one /24', { podCidr: '10.244.0.0/25' }, 'too-small'],
    ['more nodes than blocks', { podCidr: '10.244.0.0/23', nodes: 3 }, 'InsufficientSubnetSize'],
    ['a pod CIDR over the subnet', { podCidr: '10.0.0.0/15' }, 'PodCidrOverlapExistingSubnetsCidr'],
    [
      'a pod CIDR over a whole new network',
      { podCidr: '10.9.0.0/16', vnet: 'fresh', vnetPrefix: '10.9.0.0/16' },
      'PodCidrOverlapExistingSubnetsCidr',
    ],
    ['a reserved pod CIDR', { podCidr: '172.30.0.0/16' }, 'ReservedRange'],
    ['an IPv6 pod CIDR', { podCidr: 'fd00::/48' }, 'AddressFamilyNotSupported'],
    ['9 pods', { maxPods: 9 }, 'InvalidParameter'],
    ['251 pods', { maxPods: 251 }, 'InvalidParameter'],
    ['no nodes', { nodes: 0 }, 'InvalidParameter'],
    ['half a node', { nodes: 1.5 }, 'InvalidParameter'],
    [
      'more nodes than addresses',
      { nodes: 4, subnet: 's', subnetPrefix: '10.0.7.0/29' },
      'InsufficientSubnetSize',
    ],
    ['a subnet outside the network', { subnet: 's', subnetPrefix: '10.1.0.0/24' }, 'NetcfgInvalidSubnet'],
    ['a subnet over another', { subnet: 's', subnetPrefix: '10.0.1.0/25' }, 'NetcfgSubnetRangesOverlap'],
    ['a subnet with a cluster', { subnet: 'nodes' }, 'SubnetInUseByOverlayCluster'],
    ['a name with capitals', { name: 'Shop' }, 'InvalidName'],
    ['a name that is a path', { name: '../x' }, 'InvalidName'],
    ['a name that exists', { name: 'old' }, 'ClusterExists'],
    ['a virtual network without a name', { vnet: '' }, 'InvalidName'],
    ['a virtual network too small for a subnet', { vnet: 'tiny', vnetPrefix: '10.9.0.0/30' }, 'too-small'],
    ['a malformed range for a network that exists', { vnet: 'vnet', vnetPrefix: 'x' }, 'malformed'],
    ['another range for a network that exists', { vnet: 'vnet', vnetPrefix: '10.9.0.0/16' }, 'VnetExists'],
  ];
  test.each(refusals)('refuses %s', (_what, request, code) => {
    const inventory = empty();
    admit(inventory, { name: 'old' });
    expect(codeOf(() => newCluster(inventory, { name: 'new', nodes: 1, ...request }))).toBe(code);
  });

  test('refuses a pod CIDR that overlaps a peer or an on-premises site', () => {
    const inventory = empty();
    admit(inventory, { name: 'old' });
    inventory.sites.push({ name: 'hq', id: 'x', virtualNetwork: 'vnet', addressPrefix: '10.200.0.0/16' });
    const request = { name: 'new', nodes: 1, podCidr: '10.200.0.0/20' };
    expect(codeOf(() => newCluster(inventory, request))).toBe('PodCidrOverlapExistingSubnetsCidr');
  });

  test('a pod CIDR in a free part of the network is let in with a warning, and then keeps subnets out', () => {
    const inventory = empty();
    const request = {
      name: 'wide',
      nodes: 1,
      vnet: 'v',
      vnetPrefix: '10.0.0.0/8',
      subnetPrefix: '10.10.0.0/16',
    };
    expect(newCluster(inventory, request).warnings).toEqual([
      expect.stringContaining(
        "NetworkProfileCIDROverlapVNET: --pod-cidr '10.244.0.0/16' overlaps 10.0.0.0/8",
      ),
    ]);
    admit(inventory, request);
    const network = inventory.virtualNetworks[0]!;
    const subnet = { name: 'late', addressPrefix: '10.244.3.0/24' };
    expect(codeOf(() => withSubnet(inventory, 'v', network, subnet))).toBe(
      'PodCidrOverlapExistingSubnetsCidr',
    );
  });

  test('whatever is asked for, what is accepted overlaps nothing', () => {
    const cidr = fc
      .tuple(
        fc.integer({ min: 0, max: 3 }),
        fc.integer({ min: 0, max: 255 }),
        fc.integer({ min: 14, max: 26 }),
      )
      .map(([second, third, length]) => {
        const value = ((10 << 24) | (second << 16) | (third << 8)) >>> 0;
        const base = length === 0 ? 0 : (value >>> (32 - length)) << (32 - length);
        return `${[24, 16, 8, 0].map((shift) => (base >>> shift) & 255).join('.')}/${length}`;
      });
    const request = fc.record({ podCidr: cidr, subnetPrefix: cidr, nodes: fc.integer({ min: 1, max: 5 }) });
    fc.assert(
      fc.property(fc.array(request, { maxLength: 5 }), (requests) => {
        const inventory = empty();
        requests.forEach((each, i) => {
          try {
            admit(inventory, { name: `c${i}`, vnet: 'v', subnet: `s${i}`, ...each });
          } catch (error) {
            if (!(error instanceof LabError) && !(error as { rule?: string }).rule) throw error;
          }
        });
        const network = inventory.virtualNetworks[0];
        if (!network) return;
        const subnets = network.subnets.map((subnet) => parseCidr(subnet.addressPrefix));
        for (const [i, one] of subnets.entries()) {
          for (const other of subnets.slice(i + 1)) expect(cidrsOverlap(one, other)).toBe(false);
          for (const { podCidr } of inventory.clusters)
            expect(cidrsOverlap(one, parseCidr(podCidr))).toBe(false);
        }
        const addresses = inventory.machines.map((machine) => machine.address);
        expect(new Set(addresses).size).toBe(addresses.length);
        for (const { name } of inventory.clusters) {
          const blocks = inventory.machines.filter((m) => m.cluster === name).map((m) => m.nodeBlock);
          expect(new Set(blocks).size).toBe(blocks.length);
        }
      }),
    );
  });
});

describe('networks, hosts and sites', () => {
  const withNetwork = (): Inventory => {
    const inventory = empty();
    admit(inventory, { name: 'old' });
    return inventory;
  };

  test('peers must not share addresses, nor a pod CIDR', () => {
    const inventory = withNetwork();
    for (const [name, prefix] of [
      ['same', '10.0.0.0/17'],
      ['pods', '10.244.8.0/24'],
      ['fine', '10.9.0.0/16'],
    ] as const) {
      const properties = newVirtualNetwork(inventory, { name, addressPrefixes: [prefix], subnets: [] });
      inventory.virtualNetworks.push({ ...properties, name, id: resourceId(TYPES.virtualNetwork, [name]) });
    }
    const peer = (name: string): string => codeOf(() => checkPeering(inventory, 'vnet', name));
    expect([peer('same'), peer('pods'), peer('fine'), peer('vnet'), peer('nothing')]).toEqual([
      'VnetAddressSpacesOverlap',
      'VnetAddressSpacesOverlap',
      'accepted',
      'InvalidPeering',
      'NotFound',
    ]);
  });

  test('a site is a neighbour also when it has the name of the peer', () => {
    const inventory = withNetwork();
    const other = { name: 'hq', addressPrefixes: ['172.20.0.0/16'], subnets: [] };
    const id = resourceId(TYPES.virtualNetwork, ['hq']);
    inventory.virtualNetworks.push({ ...newVirtualNetwork(inventory, other), name: 'hq', id });
    inventory.sites.push({ name: 'hq', id: 'x', virtualNetwork: 'vnet', addressPrefix: '172.20.4.0/24' });
    expect(codeOf(() => checkPeering(inventory, 'vnet', 'hq'))).toBe('VnetAddressSpacesOverlap');
  });

  test('every network has a public address of its own', () => {
    const inventory = withNetwork();
    const other = newVirtualNetwork(inventory, { name: 'o', addressPrefixes: ['10.9.0.0/16'], subnets: [] });
    expect(other.publicAddress).not.toBe(inventory.virtualNetworks[0]!.publicAddress);
  });

  test('a host gets a free address of its place, and no reserved, foreign or taken one', () => {
    const inventory = withNetwork();
    expect(newHost(inventory, { name: 'web', vnet: 'vnet' })).toMatchObject({ address: '10.0.1.5' });
    expect(newHost(inventory, { name: 'web', internet: true })).toMatchObject({ address: '203.0.113.4' });
    const at = (address: string): string =>
      codeOf(() => newHost(inventory, { name: 'web', vnet: 'vnet', address }));
    expect([at('10.0.1.3'), at('10.0.2.9'), at('10.0.1.4'), at('10.0.1.x'), at('10.0.1.77')]).toEqual([
      'AddressReserved',
      'AddressOutOfRange',
      'AddressInUse',
      'malformed',
      'accepted',
    ]);
    expect(codeOf(() => newHost(inventory, { name: 'web' }))).toBe('InvalidParameter');
    expect(codeOf(() => newHost(inventory, { name: 'web', vnet: 'vnet', internet: true }))).toBe(
      'InvalidParameter',
    );
    expect(codeOf(() => newHost(inventory, { name: 'web', vnet: 'no' }))).toBe('NotFound');
    expect(codeOf(() => newHost(inventory, { name: 'web', internet: true, subnet: 'nodes' }))).toBe(
      'InvalidParameter',
    );
    inventory.virtualNetworks[0]!.subnets = [];
    expect(codeOf(() => newHost(inventory, { name: 'web', vnet: 'vnet' }))).toBe('SubnetMissing');
  });

  test('a site must not overlap the network or its pods', () => {
    const inventory = withNetwork();
    const site = (addressPrefix: string): string =>
      codeOf(() => newSite(inventory, { name: 'hq', vnet: 'vnet', addressPrefix }));
    const ranges = ['10.0.0.0/8', '10.244.0.0/20', '172.20.0.0/16', '172.20.0.8/30'];
    expect(ranges.map(site)).toEqual(['SiteRangeOverlap', 'SiteRangeOverlap', 'accepted', 'too-small']);
  });

  test('a refused subnet names the flag, the value, the rule and the way out', () => {
    const inventory = withNetwork();
    const network = inventory.virtualNetworks[0]!;
    const add = () => withSubnet(inventory, 'vnet', network, { name: 'x', addressPrefix: '10.0.1.128/25' });
    expect(add).toThrow(
      "--subnet '10.0.1.128/25' overlaps 10.0.1.0/24, the subnet nodes; choose a free range of the network",
    );
  });
});
