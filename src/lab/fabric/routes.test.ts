import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cidrContains, parseCidr } from '../../address/cidr.ts';
import type { Route } from '../azure/types.ts';
import type { FabricModel } from './model.ts';
import { linkName, namespaceOf, PORT_PREFIX } from './names.ts';
import type { RoutePlan } from './plan.ts';
import { planFabric } from './planner.ts';
import { testModel } from './testing.ts';

const APPLIANCE = '10.0.3.9';
const BEYOND = '10.1.1.9';

function model(routes: Route[]): FabricModel {
  const base = testModel();
  const { subnets } = base.virtualNetworks[0]!;
  subnets.push({ name: 'c', addressPrefix: '10.0.3.0/24' });
  subnets[1]!.routeTable = 'table';
  base.routeTables = [{ name: 'table', routes }];
  const place = (virtualNetwork: string, subnet: string) => ({
    kind: 'vnet' as const,
    virtualNetwork,
    subnet,
  });
  base.hosts.push(
    { name: 'appliance', place: place('hub', 'c'), address: APPLIANCE, ipForwarding: true },
    { name: 'beyond', place: place('spoke', 'x'), address: BEYOND, ipForwarding: true },
  );
  return base;
}

const toNumber = (route: RoutePlan): number =>
  route.dst === 'default' ? 0 : parseCidr(route.dst).prefixLength;

/** What a router does with a packet: the longest route's link, or what ends it. */
function way(routes: RoutePlan[], table: number | undefined, to: string): string {
  const target = parseCidr(`${to}/32`);
  const [best] = routes
    .filter((route) => route.table === table)
    .filter(({ dst }) => dst === 'default' || cidrContains(parseCidr(dst), target))
    .sort((a, b) => toNumber(b) - toNumber(a));
  return best?.dev ?? best?.type ?? 'nothing';
}

const routesOf = (base: FabricModel, network = 'hub') =>
  planFabric(base).namespaces.get(namespaceOf.virtualNetwork(network))!;

const HOPS: Omit<Route, 'name' | 'addressPrefix'>[] = [
  { nextHopType: 'VirtualAppliance', nextHopIpAddress: APPLIANCE },
  { nextHopType: 'VirtualAppliance', nextHopIpAddress: BEYOND },
  { nextHopType: 'VirtualAppliance', nextHopIpAddress: '10.0.3.77' },
  { nextHopType: 'Internet' },
  { nextHopType: 'None' },
  { nextHopType: 'VnetLocal' },
];
const PREFIXES = [
  '0.0.0.0/0',
  '10.0.0.0/8',
  '10.0.0.0/16',
  '10.0.1.0/24',
  '10.0.1.4/30',
  '10.1.0.0/16',
  '10.1.1.4/32',
  '172.20.0.0/16',
  '203.0.113.0/24',
];
const DESTINATIONS = [
  '10.0.1.4',
  '10.0.1.9',
  '10.0.1.77',
  '10.1.1.4',
  '10.2.1.4',
  '172.20.0.4',
  '203.0.113.4',
  '8.8.8.8',
];
/** Prefixes of the system's routes. */
const SYSTEM = ['0.0.0.0/0', '10.0.0.0/16', '10.1.0.0/16', '10.2.0.0/16', '172.20.0.0/16'];

describe('a route table', () => {
  test('adds its routes to those of the system: the longest prefix wins, of equal ones the table’s', () => {
    const tables = fc.uniqueArray(
      fc.record({ addressPrefix: fc.constantFrom(...PREFIXES), hop: fc.constantFrom(...HOPS) }),
      { selector: ({ addressPrefix }) => addressPrefix, maxLength: PREFIXES.length },
    );
    fc.assert(
      fc.property(tables, fc.constantFrom(...DESTINATIONS), (entries, to) => {
        const routes = entries.map(({ addressPrefix, hop }) => ({
          name: addressPrefix,
          addressPrefix,
          ...hop,
        }));
        const { routes: planned, rules } = routesOf(model(routes));
        const table = rules[0]!.table;
        const target = parseCidr(`${to}/32`);
        const longest = (prefixes: string[]) =>
          Math.max(
            -1,
            ...prefixes
              .map((p) => parseCidr(p))
              .filter((p) => cidrContains(p, target))
              .map((p) => p.prefixLength),
          );
        const winner = routes.find(
          ({ addressPrefix }) =>
            cidrContains(parseCidr(addressPrefix), target) &&
            parseCidr(addressPrefix).prefixLength ===
              longest([...SYSTEM, ...routes.map((r) => r.addressPrefix)]),
        );
        const system = way(planned, undefined, to);
        const expected: Record<string, string> = {
          [APPLIANCE]: linkName(PORT_PREFIX.host, 'appliance'),
          [BEYOND]: linkName(PORT_PREFIX.peering, 'spoke'),
        };
        const wanted = !winner
          ? system
          : winner.nextHopType === 'VirtualAppliance'
            ? (expected[winner.nextHopIpAddress!] ?? 'unreachable')
            : winner.nextHopType === 'Internet'
              ? 'internet'
              : winner.nextHopType === 'None'
                ? 'unreachable'
                : // In the network: the machine, if there is one.
                  /^[nch]-/.test(system)
                  ? system
                  : 'unreachable';
        expect([to, way(planned, table, to)]).toEqual([to, wanted]);
        // Whatever it says, nodes pull their images; and the rest of the network knows nothing of it.
        expect(way(planned, table, '198.19.0.254')).toBe('internet');
        expect(way(planned, undefined, '8.8.8.8')).toBe('internet');
      }),
    );
  });

  test('is for the ports of its subnet’s machines alone', () => {
    const { rules } = routesOf(model([]));
    expect(rules.map(({ iif }) => iif)).toEqual([linkName(PORT_PREFIX.cluster, 'two')]);
  });

  test('with an appliance in a peer: the peer takes what comes from there, and nothing else, to it', () => {
    const route: Route = { name: 'out', addressPrefix: '0.0.0.0/0', ...HOPS[1]! };
    const { rules, routes } = routesOf(model([route]), 'spoke');
    expect(rules).toEqual([expect.objectContaining({ iif: linkName(PORT_PREFIX.peering, 'hub') })]);
    const table = rules[0]!.table;
    expect(way(routes, table, '8.8.8.8')).toBe(linkName(PORT_PREFIX.host, 'beyond'));
    expect(way(routes, table, '10.1.1.4')).toBe(linkName(PORT_PREFIX.host, 'vm'));
    expect(way(routes, table, '10.0.2.4')).toBe(linkName(PORT_PREFIX.peering, 'hub'));
    expect(way(routes, undefined, '8.8.8.8')).toBe('internet');
  });

  test('of a subnet without machines makes no rule', () => {
    const base = model([]);
    base.clusters.pop();
    base.machines.splice(2);
    expect(routesOf(base).rules).toEqual([]);
  });
});
