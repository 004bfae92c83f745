import { beforeEach, expect, test } from 'vitest';
import { LabError } from '../errors.ts';
import { TestLab } from './testing.ts';

let lab: TestLab;
beforeEach(() => {
  lab = new TestLab();
  for (const [name, prefix] of [
    ['hub', '10.0.0.0/16'],
    ['spoke', '10.1.0.0/16'],
  ] as const) {
    lab.lab.networks.create({ name, addressPrefixes: [prefix], subnets: [] });
  }
});

function codeOf(work: () => unknown): string {
  try {
    work();
    return 'done';
  } catch (error) {
    return error instanceof LabError ? error.refusal.code : String(error);
  }
}

test('a network has what it was given, and is there once', () => {
  const { networks } = lab.lab;
  const hub = networks.addSubnet('hub', { name: 'a', addressPrefix: '10.0.1.0/24' });
  expect(hub).toMatchObject({ name: 'hub', peers: [], properties: { subnets: [{ name: 'a' }] } });
  expect(codeOf(() => networks.addSubnet('hub', { name: 'a', addressPrefix: '10.0.2.0/24' }))).toBe(
    'SubnetExists',
  );
  expect(codeOf(() => networks.addSubnet('none', { name: 'a', addressPrefix: '10.0.2.0/24' }))).toBe(
    'NotFound',
  );
  const again = { name: 'hub', addressPrefixes: ['10.9.0.0/16'], subnets: [] };
  expect(codeOf(() => networks.create(again))).toBe('VnetExists');
  expect(lab.namespaces('vnet-')).toEqual(['vnet-hub', 'vnet-spoke']);
});

test('peering joins both, twice as well as once, until one of them ends it or goes', () => {
  const { networks } = lab.lab;
  const cables = (): number => lab.plan.cables.length;
  const before = cables();
  for (let round = 0; round < 2; round++) {
    networks.peer('hub', 'spoke');
    expect(networks.list().map(({ peers }) => peers)).toEqual([['spoke'], ['hub']]);
    expect(cables()).toBe(before + 1);
  }
  networks.unpeer('spoke', 'hub');
  expect([networks.list().map(({ peers }) => peers), cables()]).toEqual([[[], []], before]);
  expect(codeOf(() => networks.unpeer('spoke', 'hub'))).toBe('NotFound');
  networks.peer('hub', 'spoke');
  networks.delete('spoke');
  expect(networks.list()).toMatchObject([{ name: 'hub', peers: [] }]);
  expect(lab.namespaces('vnet-')).toEqual(['vnet-hub']);
});

test('a network in use stays, and names who uses it', () => {
  const { networks, hosts } = lab.lab;
  hosts.addSite({ name: 'hq', vnet: 'hub', addressPrefix: '172.20.0.0/16' });
  hosts.add({ name: 'desk', onPremises: 'hq' });
  expect(() => networks.delete('hub')).toThrow(
    "NAME 'hub' is in use by on-premises site hq; delete these first",
  );
  expect(() => hosts.removeSite('hq')).toThrow("NAME 'hq' has the hosts desk; remove these first");
  const twice = { name: 'hq', vnet: 'hub', addressPrefix: '172.21.0.0/16' };
  expect(codeOf(() => hosts.addSite(twice))).toBe('SiteExists');
  hosts.remove('desk');
  hosts.removeSite('hq');
  networks.delete('hub');
  expect(lab.namespaces()).toEqual(['internet', '', 'vnet-spoke']);
});

test('what the fabric refuses was never asked for', () => {
  const { networks } = lab.lab;
  const was = JSON.stringify([networks.list(), lab.namespaces()]);
  for (const work of [
    () => networks.peer('hub', 'spoke'),
    () => networks.delete('hub'),
    () => networks.addSubnet('hub', { name: 'a', addressPrefix: '10.0.1.0/24' }),
  ]) {
    lab.fabricFailure = new Error('no more links');
    expect(codeOf(work)).toBe('Error: no more links');
    expect(JSON.stringify([networks.list(), lab.namespaces()])).toBe(was);
  }
});
