import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestNamespaces } from '../test-namespaces.ts';
import { type Route, type RouteSpec, Rtnl } from './index.ts';

const spaces = new TestNamespaces();
const a = spaces.make('a');
const b = spaces.make('b');
let rt: Rtnl;

beforeAll(() => {
  rt = Rtnl.open({ netns: a });
  rt.createVeth({ name: 'eth0', mac: '02:00:00:00:00:01', peer: { name: 'eth0', netns: b } });
  rt.createVeth({ name: 'eth1', peer: { name: 'eth1', netns: b } });
  using other = Rtnl.open({ netns: b });
  for (const name of ['lo', 'eth0', 'eth1']) {
    rt.setLink(name, { up: true, linkLocal: false });
    other.setLink(name, { up: true, linkLocal: false });
  }
});
afterAll(() => {
  rt.close();
  spaces.cleanup();
});

interface IpRoute {
  type?: string;
  dst: string;
  gateway?: string;
  via?: { host: string };
  dev?: string;
  protocol: string;
  scope?: string;
  prefsrc?: string;
  metric?: number;
  metrics?: { mtu?: number }[];
  flags: string[];
  table?: string;
  nexthops?: { gateway?: string; dev: string; weight: number; flags: string[] }[];
}

/** A route as `ip -j route` shows it, in our words. */
function fromIp(route: IpRoute, family: 4 | 6): Partial<Route> {
  const dst =
    route.dst === 'default' || route.dst.includes('/')
      ? route.dst
      : `${route.dst}/${family === 4 ? 32 : 128}`;
  const via = route.gateway ?? route.via?.host;
  return {
    dst,
    type: (route.type ?? 'unicast') as Route['type'],
    protocol: { kernel: 2, boot: 3, static: 4 }[route.protocol] ?? Number(route.protocol),
    ...(via === undefined ? {} : { via }),
    ...(route.dev === undefined ? {} : { dev: rt.linkIndex(route.dev)! }),
    ...(route.prefsrc === undefined ? {} : { src: route.prefsrc }),
    ...(route.metric === undefined ? {} : { metric: route.metric }),
    ...(route.metrics?.[0]?.mtu === undefined ? {} : { mtu: route.metrics[0].mtu }),
    ...(route.flags.includes('onlink') ? { onlink: true } : {}),
    ...(route.nexthops === undefined
      ? {}
      : {
          nexthops: route.nexthops.map((hop) => ({
            dev: rt.linkIndex(hop.dev)!,
            weight: hop.weight,
            ...(hop.gateway === undefined ? {} : { via: hop.gateway }),
            ...(hop.flags.includes('onlink') ? { onlink: true } : {}),
          })),
        }),
  };
}

function shown(family: 4 | 6, table: number | string = 'main'): Partial<Route>[] {
  const argv = [`-${family}`, '-d', '-j', 'route', 'show', 'table', String(table)];
  const routes = spaces.json<IpRoute[]>(a, 'ip', ...argv);
  return routes.map((route) => fromIp(route, family));
}

function seen(family: 4 | 6, table: number | 'all' = 254): Partial<Route>[] {
  return rt.routes({ family, table }).map(({ linkIndex, family: _, table: __, scope, ...route }) => route);
}

describe('addresses', () => {
  interface IpAddress {
    ifname: string;
    addr_info: { family: string; local: string; prefixlen: number; scope: string; broadcast?: string }[];
  }

  test('added, shown and deleted in both families', () => {
    rt.addAddress('eth0', { address: '10.0.1.4', prefixLength: 24, broadcast: '10.0.1.255' });
    rt.addAddress('eth0', { address: '10.244.0.1', prefixLength: 32, noPrefixRoute: true, scope: 'link' });
    rt.addAddress('eth0', { address: 'fd00::4', prefixLength: 64 });
    rt.addAddress('eth1', { address: 'fd01::4', prefixLength: 64, noPrefixRoute: true });
    rt.addAddress('lo', { address: '10.255.0.1', prefixLength: 32, scope: 'host' });
    const expected = spaces.json<IpAddress[]>(a, 'ip', '-j', 'addr').flatMap((link) =>
      link.addr_info.map((info) => ({
        linkIndex: rt.linkIndex(link.ifname),
        family: info.family === 'inet' ? 4 : 6,
        address: info.local,
        prefixLength: info.prefixlen,
        scope: info.scope,
        ...(info.broadcast === undefined ? {} : { broadcast: info.broadcast }),
      })),
    );
    const all = rt.addresses().map(({ permanent, tentative, noPrefixRoute, ...address }) => address);
    const key = (entry: { address: string }): string => entry.address;
    const sorted = <T extends { address: string }>(list: T[]): T[] =>
      [...list].sort((x, y) => (key(x) < key(y) ? -1 : 1));
    expect(sorted(all)).toEqual(sorted(expected as typeof all));
    expect(rt.addresses('eth1').map(key)).toEqual(['fd01::4']);
    expect(rt.addresses('eth0', { family: 6 }).map(key)).toEqual(['fd00::4']);
    // Usable at once: nobody looked for a duplicate.
    expect(rt.addresses().filter((address) => address.tentative)).toEqual([]);
    const prefixes = rt.routes().map((route) => route.dst);
    expect(prefixes).toContain('10.0.1.0/24');
    expect(prefixes).toContain('fd00::/64');
    expect(prefixes).not.toContain('fd01::/64');
    rt.deleteAddress('eth0', { address: 'fd00::4', prefixLength: 64 });
    rt.deleteAddress('eth0', { address: '10.244.0.1', prefixLength: 32 });
    expect(rt.addresses('eth0').map(key)).toEqual(['10.0.1.4']);
  });

  test('there already: EEXIST; not there: EADDRNOTAVAIL; unless that is fine', () => {
    const four = { address: '10.0.1.4', prefixLength: 24 };
    const six = { address: 'fd01::4', prefixLength: 64 };
    expect(() => rt.addAddress('eth0', four)).toThrow(`add address 10.0.1.4/24 on eth0 in ${a}: EEXIST`);
    expect(() => rt.addAddress('eth1', six)).toThrow(/EEXIST/);
    rt.addAddress('eth0', four, { ifExists: 'ignore' });
    rt.addAddress('eth1', six, { ifExists: 'ignore' });
    for (const address of ['10.0.1.5', 'fd01::5']) {
      expect(() => rt.deleteAddress('eth0', { address, prefixLength: 32 })).toThrow(/EADDRNOTAVAIL/);
      rt.deleteAddress('eth0', { address, prefixLength: 32 }, { ifMissing: 'ignore' });
      rt.deleteAddress('none', { address, prefixLength: 32 }, { ifMissing: 'ignore' });
    }
    expect(() => rt.addAddress('none', four)).toThrow(`find link none in ${a}: ENODEV`);
  });

  test('duplicate detection when asked for', () => {
    rt.addAddress('eth1', { address: 'fd02::1', prefixLength: 64, detectDuplicates: true });
    expect(rt.addresses('eth1').find((entry) => entry.address === 'fd02::1')?.tentative).toBe(true);
    rt.deleteAddress('eth1', { address: 'fd02::1', prefixLength: 64 });
  });
});

describe('routes', () => {
  const specs: RouteSpec[] = [
    { dst: '10.244.0.7/32', dev: 'eth0' },
    { dst: '10.244.1.0/24', via: '10.0.1.5' },
    { dst: '10.244.2.0/24', via: '10.0.1.6', dev: 'eth0', metric: 77, src: '10.0.1.4', mtu: 1400 },
    { dst: 'default', via: '169.254.1.1', dev: 'eth0', onlink: true },
    { dst: 'default', type: 'unreachable', metric: 4294967295 },
    { dst: '10.99.0.0/16', type: 'blackhole', protocol: 77 },
    { dst: '10.98.0.0/16', type: 'prohibit' },
    { dst: '10.97.0.0/16', via: 'fd01::9', dev: 'eth1', onlink: true },
    {
      dst: '10.96.0.0/16',
      nexthops: [
        { via: '10.0.1.5', dev: 'eth0', weight: 3 },
        { via: '10.9.9.9', dev: 'eth1', onlink: true },
      ],
    },
    { dst: 'fd10::/64', dev: 'eth1' },
    { dst: 'fd11::7', via: 'fe80::1234:5678:9abc', dev: 'eth0', metric: 5, mtu: 1400 },
    { dst: 'default', via: 'fe80::1234:5678:9abc', dev: 'eth0', onlink: true },
    { dst: 'default', family: 6, type: 'unreachable', metric: 5000 },
    { dst: 'fd12::/64', type: 'blackhole' },
  ];

  test('of all kinds: added, and read as ip reads them', () => {
    for (const spec of specs) rt.addRoute(spec);
    expect(seen(4)).toEqual(shown(4));
    expect(seen(6)).toEqual(shown(6));
    expect(rt.routes()).toHaveLength(specs.length + 1);
    expect(rt.routes({ family: 4 })).toContainEqual({
      dst: '10.244.2.0/24',
      family: 4,
      type: 'unicast',
      scope: 'global',
      table: 254,
      protocol: 4,
      via: '10.0.1.6',
      dev: rt.linkIndex('eth0'),
      linkIndex: rt.linkIndex('eth0'),
      metric: 77,
      src: '10.0.1.4',
      mtu: 1400,
    });
  });

  test('added again: EEXIST, unless that is fine', () => {
    for (const spec of specs) {
      expect(() => rt.addRoute(spec), spec.dst).toThrow(/EEXIST/);
      rt.addRoute(spec, { ifExists: 'ignore' });
    }
    expect(rt.routes()).toHaveLength(specs.length + 1);
  });

  test('replaced: one route, the new one', () => {
    rt.replaceRoute({ dst: '10.244.1.0/24', via: '10.0.1.9' });
    rt.replaceRoute({ dst: 'fd10::/64', via: 'fd01::9', dev: 'eth1', onlink: true });
    rt.replaceRoute({ dst: '10.244.9.0/24', via: '10.0.1.9' });
    const vias = (dst: string): unknown[] =>
      rt
        .routes()
        .filter((route) => route.dst === dst)
        .map((route) => route.via);
    expect(vias('10.244.1.0/24')).toEqual(['10.0.1.9']);
    expect(vias('fd10::/64')).toEqual(['fd01::9']);
    expect(vias('10.244.9.0/24')).toEqual(['10.0.1.9']);
    expect(seen(6)).toEqual(shown(6));
    rt.deleteRoute({ dst: '10.244.9.0/24' });
  });

  test('filters work in the kernel', () => {
    const dsts = (filter: Parameters<Rtnl['routes']>[0]): string[] =>
      rt.routes(filter).map((route) => route.dst);
    expect(dsts({ protocol: 77 })).toEqual(['10.99.0.0/16']);
    expect(dsts({ type: 'blackhole' })).toEqual(['10.99.0.0/16', 'fd12::/64']);
    expect(dsts({ family: 6, dev: 'eth1' })).toEqual(['fd10::/64']);
    expect(dsts({ table: 'all', type: 'local', family: 4 })).toContain('10.0.1.4/32');
    expect(dsts({ table: 31337 })).toEqual([]);
  });

  test('other tables, those above 255 too', () => {
    for (const table of [100, 70_000]) {
      rt.addRoute({ dst: '10.5.0.0/16', dev: 'eth0', table });
      rt.addRoute({ dst: 'fd05::/64', dev: 'eth0', table });
      expect(seen(4, table)).toEqual(shown(4, table));
      expect(seen(6, table)).toEqual(shown(6, table));
      expect(rt.routes({ table }).map((route) => route.table)).toEqual([table, table]);
    }
    expect(rt.routes().map((route) => route.dst)).not.toContain('10.5.0.0/16');
  });

  test('the route that a packet takes', () => {
    const to = (address: string): unknown[] => {
      const { via, dev, src } = rt.routeTo(address);
      return [via, dev, src];
    };
    const eth0 = rt.linkIndex('eth0');
    expect(to('10.244.2.9')).toEqual(['10.0.1.6', eth0, '10.0.1.4']);
    expect(to('8.8.8.8')).toEqual(['169.254.1.1', eth0, '10.0.1.4']);
    expect(to('2001:db8::1')[0]).toBe('fe80::1234:5678:9abc');
    expect(() => rt.routeTo('10.98.0.1')).toThrow(`find route to 10.98.0.1 in ${a}: EACCES`);
    expect(() => rt.routeTo('fd12::1')).toThrow(/EINVAL/);
  });

  test("the kernel's own words for what it refuses", () => {
    expect(() => rt.addRoute({ dst: '10.0.0.1/24', dev: 'eth0' })).toThrow(
      `add route 10.0.0.1/24 dev eth0 in ${a}: EINVAL (Invalid prefix for given prefix length)`,
    );
    expect(() => rt.addRoute({ dst: '10.1.0.0/24', via: '172.16.0.1', dev: 'eth0' })).toThrow(
      /via 172.16.0.1 dev eth0 .*ENETUNREACH \(Nexthop has invalid gateway\)/,
    );
    expect(() => rt.addRoute({ dst: '10.1.0.0/24', dev: 'none' })).toThrow(/find link none .*ENODEV/);
    expect(() => rt.addRoute({ dst: '10.1.0/24', dev: 'eth0' })).toThrow(RangeError);
  });

  test('deleted, each as it was read; again: ESRCH, unless that is fine', () => {
    for (const route of rt.routes()) if (route.protocol !== 2) rt.deleteRoute(route);
    expect(rt.routes().map((route) => route.dst)).toEqual(['10.0.1.0/24']);
    for (const spec of specs) {
      expect(() => rt.deleteRoute(spec), spec.dst).toThrow(/delete route .*ESRCH/);
      rt.deleteRoute(spec, { ifMissing: 'ignore' });
    }
    rt.deleteRoute({ dst: '10.1.0.0/24', dev: 'none' }, { ifMissing: 'ignore' });
  });

  test('deletion takes only what has all that is said', () => {
    rt.addRoute({ dst: '10.7.0.0/24', dev: 'eth0', metric: 10 });
    rt.addRoute({ dst: '10.7.0.0/24', dev: 'eth1', metric: 20 });
    expect(() => rt.deleteRoute({ dst: '10.7.0.0/24', dev: 'eth0', metric: 20 })).toThrow(/ESRCH/);
    rt.deleteRoute({ dst: '10.7.0.0/24', dev: 'eth1' });
    expect(rt.routes().filter((route) => route.dst === '10.7.0.0/24')).toMatchObject([{ metric: 10 }]);
    rt.deleteRoute({ dst: '10.7.0.0/24' });
  });

  test('a thousand routes come back whole', () => {
    rt.batch((batch) => {
      const dev = rt.linkIndex('eth0')!;
      for (let i = 0; i < 1000; i++) batch.addRoute({ dst: `10.200.${i >> 8}.${i & 255}`, dev });
    });
    expect(rt.routes({ family: 4 }).filter((route) => route.dst.startsWith('10.200.'))).toHaveLength(1000);
    expect(seen(4)).toEqual(shown(4));
  });
});
