import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CniError } from './errors.ts';
import { emptyResult, mergeResults, parseResult, renderResult } from './result.ts';
import type { CniResult } from './types.ts';
import { type CniVersion, isAtLeast, SUPPORTED_VERSIONS } from './versions.ts';

const pod: CniResult = {
  interfaces: [
    { name: 'azv0123456789a', mac: '02:00:00:00:00:01', mtu: 1500 },
    {
      name: 'eth0',
      mac: '02:00:00:00:00:02',
      mtu: 1500,
      sandbox: '/run/netns/a',
      pciId: '0000:01:00.0',
      socketPath: '/s',
    },
  ],
  ips: [
    { address: '10.244.0.7/32', gateway: '169.254.1.1', interface: 1 },
    { address: 'fd00::7/128', interface: 1 },
  ],
  routes: [
    { dst: '0.0.0.0/0', gw: '169.254.1.1', mtu: 1400, advmss: 1360, priority: 5, table: 254, scope: 0 },
  ],
  dns: {
    nameservers: ['10.0.0.10'],
    domain: 'cluster.local',
    search: ['svc.cluster.local'],
    options: ['ndots:5'],
  },
};

const text = fc.string({ minLength: 1, maxLength: 12 });
const number = fc.nat();
const ip4 = fc.ipV4();
const ip6 = fc.ipV6().filter((value) => !value.includes('%'));
const cidr = fc.oneof(
  fc.tuple(ip4, fc.integer({ min: 0, max: 32 })).map(([ip, length]) => `${ip}/${length}`),
  fc.tuple(ip6, fc.integer({ min: 0, max: 128 })).map(([ip, length]) => `${ip}/${length}`),
);
const record = <T>(required: { [K in keyof T]: fc.Arbitrary<T[K]> }, needed: (keyof T)[]) =>
  fc.record(required, { requiredKeys: needed as never });
const results: fc.Arbitrary<CniResult> = fc
  .array(
    record({ name: text, mac: text, mtu: number, sandbox: text, socketPath: text, pciId: text }, ['name']),
    { maxLength: 4 },
  )
  .chain((interfaces) =>
    fc.record({
      interfaces: fc.constant(interfaces),
      ips: fc.array(
        interfaces.length === 0
          ? record({ address: cidr, gateway: fc.oneof(ip4, ip6) }, ['address'])
          : record(
              {
                address: cidr,
                gateway: fc.oneof(ip4, ip6),
                interface: fc.nat({ max: interfaces.length - 1 }),
              },
              ['address'],
            ),
        { maxLength: 4 },
      ),
      routes: fc.array(
        record(
          {
            dst: cidr,
            gw: fc.oneof(ip4, ip6),
            mtu: number,
            advmss: number,
            priority: number,
            table: number,
            scope: number,
          },
          ['dst'],
        ),
        { maxLength: 4 },
      ),
      dns: record(
        { nameservers: fc.array(text), domain: text, search: fc.array(text), options: fc.array(text) },
        [],
      ),
    }),
  ) as fc.Arbitrary<CniResult>;
const version = fc.constantFrom<CniVersion>(...SUPPORTED_VERSIONS);

/** What a version can carry of a result. */
function carried(result: CniResult, by: CniVersion): CniResult {
  if (isAtLeast(by, '1.1.0')) return result;
  return {
    ...result,
    interfaces: result.interfaces.map(({ mtu, socketPath, pciId, ...rest }) => rest),
    routes: result.routes.map(({ mtu, advmss, priority, table, scope, ...rest }) => rest),
  };
}

test('each version carries all that it knows, there and back', () => {
  fc.assert(
    fc.property(results, version, (result, by) => {
      const wire: unknown = JSON.parse(JSON.stringify(renderResult(result, by)));
      expect(parseResult(wire, by)).toEqual(carried(result, by));
    }),
  );
});

test('going through two versions keeps what both know', () => {
  fc.assert(
    fc.property(results, version, version, (result, one, other) => {
      const there = parseResult(renderResult(result, one), one);
      const further = parseResult(renderResult(there, other), other);
      expect(further).toEqual(carried(carried(result, one), other));
    }),
  );
});

describe('form', () => {
  test.each(['0.3.0', '0.3.1', '0.4.0'] as const)('%s has a family for each address', (by) => {
    expect(renderResult(pod, by)).toEqual({
      cniVersion: by,
      interfaces: [
        { name: 'azv0123456789a', mac: '02:00:00:00:00:01' },
        { name: 'eth0', mac: '02:00:00:00:00:02', sandbox: '/run/netns/a' },
      ],
      ips: [
        { version: '4', address: '10.244.0.7/32', gateway: '169.254.1.1', interface: 1 },
        { version: '6', address: 'fd00::7/128', interface: 1 },
      ],
      routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }],
      dns: pod.dns,
    });
  });

  test('1.0.0 has not', () => {
    const rendered = renderResult(pod, '1.0.0');
    expect(rendered.ips).toEqual(pod.ips);
    expect(rendered.routes).toEqual([{ dst: '0.0.0.0/0', gw: '169.254.1.1' }]);
  });

  test('1.1.0 has everything', () => {
    expect(renderResult(pod, '1.1.0')).toEqual({
      cniVersion: '1.1.0',
      interfaces: [
        pod.interfaces[0],
        {
          name: 'eth0',
          mac: '02:00:00:00:00:02',
          mtu: 1500,
          sandbox: '/run/netns/a',
          pciID: '0000:01:00.0',
          socketPath: '/s',
        },
      ],
      ips: pod.ips,
      routes: pod.routes,
      dns: pod.dns,
    });
  });

  test('an empty result has an empty list of addresses', () => {
    expect(renderResult(emptyResult(), '0.4.0')).toEqual({ cniVersion: '0.4.0', ips: [], dns: {} });
  });
});

describe('reading', () => {
  test('takes what Go writes: nulls, empty texts, unknown fields', () => {
    const given = {
      cniVersion: '1.0.0',
      interfaces: null,
      ips: [{ address: '10.0.0.2/24', gateway: '', interface: null, later: true }],
      routes: null,
      dns: { nameservers: null },
    };
    expect(parseResult(given, '1.1.0')).toEqual({ ...emptyResult(), ips: [{ address: '10.0.0.2/24' }] });
  });

  test('uses the version of the result itself, else the configuration', () => {
    const routes = [{ dst: '10.0.0.0/8', mtu: 1400 }];
    expect(parseResult({ cniVersion: '1.0.0', routes }, '1.1.0').routes).toEqual([{ dst: '10.0.0.0/8' }]);
    expect(parseResult({ routes }, '1.1.0').routes).toEqual(routes);
  });

  test.each<[unknown, number, string]>([
    ['nonsense', 7, 'prevResult is "nonsense"'],
    [{ cniVersion: '0.2.0', ip4: {} }, 1, 'prevResult.cniVersion is "0.2.0"'],
    [{ interfaces: {} }, 7, 'prevResult.interfaces is {}'],
    [{ interfaces: [{}] }, 7, 'prevResult.interfaces[0].name is missing'],
    [{ interfaces: [{ name: 'a', mtu: -1 }] }, 7, 'prevResult.interfaces[0].mtu is -1'],
    [{ ips: [{}] }, 7, 'prevResult.ips[0].address is missing'],
    [{ ips: [{ address: '10.0.0.1' }] }, 7, 'prevResult.ips[0].address is "10.0.0.1"'],
    [{ ips: [{ address: '10.0.0.1/33' }] }, 7, 'prevResult.ips[0].address'],
    [{ ips: [{ address: '10.0.0.1/24/1' }] }, 7, 'prevResult.ips[0].address'],
    [{ ips: [{ address: '10.0.0.1/24', gateway: 'x' }] }, 7, 'prevResult.ips[0].gateway is "x"'],
    [{ ips: [{ address: '10.0.0.1/24', interface: 0 }] }, 7, 'prevResult.ips[0].interface is 0'],
    [{ ips: [{ address: '10.0.0.1/24', interface: 1.5 }] }, 7, 'prevResult.ips[0].interface is 1.5'],
    [{ routes: [{ dst: 'default' }] }, 7, 'prevResult.routes[0].dst is "default"'],
    [{ dns: { search: 'a' } }, 7, 'prevResult.dns.search is "a"'],
    [{ dns: { search: [1] } }, 7, 'prevResult.dns.search[0] is 1'],
  ])('%j is refused', (given, code, words) => {
    expect(() => parseResult(given, '1.1.0')).toThrow(
      expect.objectContaining({ code, details: expect.stringContaining(words) }),
    );
  });

  test('throws nothing else than a CniError, whatever is there', () => {
    const keys = fc.constantFrom('cniVersion', 'interfaces', 'ips', 'routes', 'dns');
    fc.assert(
      fc.property(fc.dictionary(keys, fc.jsonValue()), version, (given, by) => {
        try {
          parseResult(given, by);
        } catch (error) {
          expect(error).toBeInstanceOf(CniError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

test('a chained result puts its own after what was there, with the indexes moved', () => {
  const before: CniResult = {
    interfaces: [{ name: 'lo', sandbox: '/run/netns/a' }],
    ips: [{ address: '127.0.0.1/8', interface: 0 }],
    routes: [],
    dns: { domain: 'old', search: ['a'] },
  };
  const merged = mergeResults(before, { ...pod, dns: { domain: 'new' } });
  expect(merged.interfaces.map(({ name }) => name)).toEqual(['lo', 'azv0123456789a', 'eth0']);
  expect(merged.ips.map((ip) => ip.interface)).toEqual([0, 2, 2]);
  expect(merged.routes).toEqual(pod.routes);
  expect(merged.dns).toEqual({ domain: 'new', search: ['a'] });
});
