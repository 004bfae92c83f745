import { expect, test } from 'vitest';
import { TYPE } from '../wire/constants.ts';
import { NetworkZone } from './network-zone.ts';
import { servedNetworks } from './served-networks.ts';

const zone = new NetworkZone();
zone.set([
  { name: 'Node-1', address: '10.0.1.4' },
  { name: 'shop', address: '10.0.2.4' },
]);

test.each<[string, keyof typeof TYPE, unknown]>([
  ['node-1.internal.cloudapp.net', 'A', '10.0.1.4'],
  ['node-1.internal.cloudapp.net', 'AAAA', 'nodata'],
  ['nobody.internal.cloudapp.net', 'A', 'nxdomain'],
  ['a.node-1.internal.cloudapp.net', 'A', 'nxdomain'],
  ['internal.cloudapp.net', 'A', 'nodata'],
  ['4.1.0.10.in-addr.arpa', 'PTR', 'node-1.internal.cloudapp.net'],
  ['4.1.0.10.in-addr.arpa', 'TXT', 'nodata'],
  // Private, and nobody's: no question for anybody outside.
  ['9.1.0.10.in-addr.arpa', 'PTR', 'nxdomain'],
  ['1.1.168.192.in-addr.arpa', 'PTR', 'nxdomain'],
  ['8.8.8.8.in-addr.arpa', 'PTR', 'elsewhere'],
  ['example.com', 'A', 'elsewhere'],
  ['cloudapp.net', 'A', 'elsewhere'],
])('%s %s', (name, type, answer) => {
  const found = zone.lookup(name, TYPE[type]);
  expect(found.kind === 'records' ? found.records[0]?.data : found.kind).toBe(answer);
});

test('only what changes names changes the generation', () => {
  const before = zone.generation;
  zone.set([
    { name: 'shop', address: '10.0.2.4' },
    { name: 'node-1', address: '10.0.1.4' },
  ]);
  expect(zone.generation).toBe(before);
  zone.set([{ name: 'shop', address: '10.0.2.5' }]);
  expect(zone.generation).toBe(before + 1);
  expect(zone.lookup('node-1.internal.cloudapp.net', TYPE.A).kind).toBe('nxdomain');
  expect(zone.lookup('4.1.0.10.in-addr.arpa', TYPE.PTR).kind).toBe('nxdomain');
});

test('a network has the nodes of its clusters and the hosts of its subnets, and nobody else', () => {
  const id = '';
  const network = (name: string) => ({ name, id, addressPrefixes: [], subnets: [], publicAddress: '' });
  const cluster = {
    ...{ name: 'blue', id, virtualNetwork: 'hub', subnet: 's', podCidr: '', maxPods: 1 },
    ...{ serviceCidr: '', dnsServiceIp: '', apiServerAddress: '' },
  };
  const host = (
    name: string,
    place: { kind: 'vnet'; virtualNetwork: string; subnet: string } | { kind: 'internet' },
  ) => ({
    ...{ name, id, place, address: '10.0.2.4' },
  });
  const served = servedNetworks({
    virtualNetworks: [network('hub'), network('spoke')],
    clusters: [cluster],
    machines: [{ name: 'blue-0', id, cluster: 'blue', index: 0, address: '10.0.1.4', nodeBlock: '' }],
    hosts: [
      host('shop', { kind: 'vnet', virtualNetwork: 'hub', subnet: 's' }),
      host('outside', { kind: 'internet' }),
    ],
  });
  expect(served.map(({ name, machines }) => [name, machines.map((machine) => machine.name)])).toEqual([
    ['hub', ['blue-0', 'shop']],
    ['spoke', []],
  ]);
  expect(served[0]?.netns).toMatch(/\/vnet-hub$/);
});
