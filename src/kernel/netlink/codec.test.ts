import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AddressSpec, RTM_NEWADDR, readAddress, writeAddress } from './address.ts';
import { MessageWriter, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL } from './attributes.ts';
import { bytesToIp, bytesToMac } from './ip.ts';
import { type Link, type LinkChange, readLink } from './link.ts';
import { writeBridge, writeSetLink, writeVeth, writeVxlan } from './link-write.ts';
import { NetlinkMessage } from './message.ts';
import {
  type FdbSpec,
  type NeighbourSpec,
  RTM_NEWNEIGH,
  readFdb,
  readNeighbour,
  writeFdb,
  writeNeighbour,
} from './neighbour.ts';
import { type RouteSpec, readRoute, writeRoute } from './route.ts';
import { RTM_NEWRULE, type RuleSpec, readRule, writeRule } from './rule.ts';

// A request to make something has the form in which the kernel reports it, so what is written can be read.

function message(write: (writer: MessageWriter) => void): NetlinkMessage {
  const writer = new MessageWriter();
  write(writer);
  const bytes = Buffer.from(writer.finish(1));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return new NetlinkMessage(bytes, view, 0, bytes.readUInt32LE(0), 0);
}

const index = fc.integer({ min: 1, max: 0x7fffffff });
const u32 = fc.nat(0xffffffff);
const ip4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(bytesToIp);
const ip6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(bytesToIp);
const mac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map(bytesToMac);
const name = fc.string({ unit: fc.constantFrom(...'abcxyz0189._-'), minLength: 1, maxLength: 15 });
const optional = <T>(arb: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arb, { nil: undefined });
const prefix4 = fc.tuple(ip4, fc.integer({ min: 1, max: 32 })).map(([ip, length]) => `${ip}/${length}`);
const prefix6 = fc.tuple(ip6, fc.integer({ min: 1, max: 128 })).map(([ip, length]) => `${ip}/${length}`);

/** Without the keys whose value is undefined. */
function defined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as Partial<T>;
}

describe('routes', () => {
  const hop = fc.record({
    via: optional(ip4),
    dev: index,
    onlink: fc.constantFrom(undefined, true),
    weight: fc.integer({ min: 1, max: 256 }),
  });
  const route = fc.tuple(fc.boolean(), fc.boolean()).chain(([v6, several]) =>
    fc.record({
      dst: fc.oneof(fc.constant('default'), v6 ? prefix6 : prefix4),
      family: fc.constant(v6 ? (6 as const) : (4 as const)),
      via: several ? fc.constant(undefined) : optional(fc.oneof(v6 ? ip6 : ip4, ip6)),
      dev: several ? fc.constant(undefined) : optional(index),
      onlink: fc.constantFrom(undefined, true),
      scope: fc.constantFrom('global', 'link', 'host'),
      type: fc.constantFrom('unicast', 'local', 'blackhole', 'unreachable', 'prohibit', 'throw'),
      table: fc.oneof(fc.integer({ min: 1, max: 255 }), fc.integer({ min: 256, max: 0xffffffff })),
      protocol: fc.nat(255),
      metric: optional(u32),
      src: optional(v6 ? ip6 : ip4),
      mtu: optional(fc.integer({ min: 68, max: 65535 })),
      nexthops: several
        ? fc.array(v6 ? hop.map((entry) => ({ ...entry, via: undefined })) : hop, {
            minLength: 1,
            maxLength: 4,
          })
        : fc.constant(undefined),
    }),
  ) as fc.Arbitrary<RouteSpec & { family: 4 | 6 }>;

  test('what is written is read back', () => {
    fc.assert(
      fc.property(route, (spec) => {
        const read = readRoute(message((writer) => writeRoute(writer, 'add', spec, Number)));
        const { linkIndex, ...rest } = read;
        expect(linkIndex).toBe(spec.dev);
        const nexthops = spec.nexthops?.map(defined);
        expect(rest).toEqual(defined({ ...spec, nexthops }));
      }),
    );
  });

  test('defaults: as `ip route` has them', () => {
    const read = (spec: RouteSpec): unknown => {
      const { scope, type, table } = readRoute(message((writer) => writeRoute(writer, 'add', spec, Number)));
      return [scope, type, table];
    };
    expect(read({ dst: '10.0.0.0/24', dev: 2 })).toEqual(['link', 'unicast', 254]);
    expect(read({ dst: '10.0.0.0/24', via: '10.1.0.1' })).toEqual(['global', 'unicast', 254]);
    expect(read({ dst: 'default', type: 'unreachable' })).toEqual(['global', 'unreachable', 254]);
    expect(read({ dst: '10.0.0.1', type: 'local', dev: 1 })).toEqual(['host', 'local', 255]);
  });

  test('names are resolved, and a family that contradicts is refused', () => {
    const resolve = (dev: string | number): number => (dev === 'eth0' ? 7 : 0);
    const read = readRoute(
      message((writer) => writeRoute(writer, 'add', { dst: 'default', dev: 'eth0' }, resolve)),
    );
    expect(read.linkIndex).toBe(7);
    const wrong = { dst: '10.0.0.0/8', family: 6 } as const;
    expect(() => message((writer) => writeRoute(writer, 'add', wrong, Number))).toThrow(/family 6/);
    const weight = { dst: 'default', nexthops: [{ dev: 1, weight: 0 }] };
    expect(() => message((writer) => writeRoute(writer, 'add', weight, Number))).toThrow(/from 1 to 256/);
  });
});

describe('addresses', () => {
  const address = fc.boolean().chain((v6) =>
    fc.record({
      address: v6 ? ip6 : ip4,
      prefixLength: fc.nat(v6 ? 128 : 32),
      noPrefixRoute: fc.boolean(),
      scope: fc.constantFrom('global', 'link', 'host'),
      broadcast: v6 ? fc.constant(undefined) : optional(ip4),
    }),
  ) as fc.Arbitrary<AddressSpec>;

  test('what is written is read back', () => {
    fc.assert(
      fc.property(address, index, (spec, link) => {
        const read = readAddress(message((writer) => writeAddress(writer, RTM_NEWADDR, link, spec)));
        expect(read).toEqual({
          ...defined(spec),
          linkIndex: link,
          family: spec.address.includes(':') ? 6 : 4,
          permanent: false,
          tentative: false,
        });
      }),
    );
  });

  test.each([33, -1, 1.5])('a prefix length of %d is refused', (prefixLength) => {
    const spec = { address: '10.0.0.1', prefixLength };
    expect(() => message((writer) => writeAddress(writer, RTM_NEWADDR, 1, spec))).toThrow(/must be 0 to 32/);
  });
});

describe('neighbours', () => {
  const states = ['permanent', 'noarp', 'reachable', 'stale', 'delay', 'probe', 'failed'] as const;
  const neighbour = fc.record({
    dev: index,
    address: fc.oneof(ip4, ip6),
    mac,
    proxy: fc.boolean(),
    state: fc.constantFrom(...states),
  }) as fc.Arbitrary<NeighbourSpec>;

  test('what is written is read back', () => {
    fc.assert(
      fc.property(neighbour, (spec) => {
        const read = readNeighbour(
          message((writer) => writeNeighbour(writer, RTM_NEWNEIGH, spec, Number(spec.dev))),
        );
        const { dev, ...rest } = spec;
        const family = spec.address.includes(':') ? 6 : 4;
        expect(read).toEqual({ ...rest, linkIndex: dev, family, router: false });
      }),
    );
  });

  test('one without a MAC address is refused unless it is a proxy entry', () => {
    const spec = { dev: 1, address: '10.0.0.1' };
    expect(() => message((writer) => writeNeighbour(writer, RTM_NEWNEIGH, spec, 1))).toThrow(/mac: missing/);
    expect(() =>
      message((writer) => writeNeighbour(writer, RTM_NEWNEIGH, { ...spec, proxy: true }, 1)),
    ).not.toThrow();
  });

  test('forwarding entries: what is written is read back', () => {
    const entry = fc.record({
      dev: index,
      mac,
      dst: optional(fc.oneof(ip4, ip6)),
      vni: optional(fc.nat(0xffffff)),
      port: optional(fc.nat(65535)),
    }) as fc.Arbitrary<FdbSpec>;
    fc.assert(
      fc.property(entry, (spec) => {
        const read = readFdb(message((writer) => writeFdb(writer, RTM_NEWNEIGH, spec, Number(spec.dev))));
        const { dev, ...rest } = spec;
        expect(read).toEqual({ ...defined(rest), linkIndex: dev, state: 'permanent' });
      }),
    );
  });
});

describe('rules', () => {
  const rule = fc.boolean().chain((v6) =>
    fc.record({
      family: fc.constant(v6 ? 6 : 4),
      priority: u32,
      from: optional(v6 ? prefix6 : prefix4),
      to: optional(v6 ? prefix6 : prefix4),
      iif: optional(name),
      oif: optional(name),
      mark: optional(u32),
      mask: optional(fc.nat(0xfffffffe)),
      invert: fc.constantFrom(undefined, true),
      action: fc.constant('lookup'),
      table: fc.oneof(fc.integer({ min: 1, max: 255 }), fc.integer({ min: 256, max: 0xffffffff })),
      suppressPrefixLength: optional(fc.nat(128)),
    }),
  ) as fc.Arbitrary<RuleSpec>;

  test('what is written is read back', () => {
    fc.assert(
      fc.property(rule, (spec) => {
        const read = readRule(message((writer) => writeRule(writer, RTM_NEWRULE, spec)));
        expect(read).toEqual({ ...defined(spec), protocol: 4 });
      }),
    );
  });

  test('other actions have no table; prefixes of two families are refused', () => {
    const read = readRule(
      message((writer) => writeRule(writer, RTM_NEWRULE, { priority: 5, action: 'unreachable' })),
    );
    expect(read).toEqual({ family: 4, priority: 5, action: 'unreachable', protocol: 4 });
    const mixed = { from: '10.0.0.0/8', to: 'fd00::/8' };
    expect(() => message((writer) => writeRule(writer, RTM_NEWRULE, mixed))).toThrow(/not both of family 4/);
  });
});

describe('links', () => {
  const at = (link: Link): unknown => [link.name, link.mac, link.mtu, link.group, link.kind];

  test('new links of each kind', () => {
    const common = { name: 'l0', mac: '02:00:00:00:00:01', mtu: 1450, group: 9 };
    const written = [
      message((writer) => writeVeth(writer, { ...common, peer: { name: 'p' } }, undefined, undefined)),
      message((writer) => writeBridge(writer, common)),
      message((writer) => writeVxlan(writer, { ...common, vni: 5 }, undefined)),
    ];
    const read = written.map((entry) => at(readLink(entry)));
    expect(read).toEqual(['veth', 'bridge', 'vxlan'].map((kind) => ['l0', common.mac, 1450, 9, kind]));
    for (const entry of written) expect(entry.flags & NLM_F_ACK).toBe(NLM_F_ACK);
    for (const entry of written) expect(entry.flags & (NLM_F_CREATE | NLM_F_EXCL)).toBe(0x600);
  });

  test('a change says what it changes and nothing else', () => {
    const change = (index: number, what: LinkChange): NetlinkMessage =>
      message((writer) => writeSetLink(writer, index, 'old', what, undefined, undefined));
    // Flags and the mask of flags that are meant.
    expect([change(3, { up: true }).u32(8), change(3, { up: true }).u32(12)]).toEqual([1, 1]);
    expect([change(3, { up: false }).u32(8), change(3, { up: false }).u32(12)]).toEqual([0, 1]);
    expect([change(3, { mtu: 9000 }).u32(8), change(3, { mtu: 9000 }).u32(12)]).toEqual([0, 0]);
    expect(change(3, { up: true }).length).toBe(16);
    expect(readLink(change(3, { name: 'new' }))).toMatchObject({ index: 3, name: 'new' });
    expect(readLink(change(0, { alias: 'a/b' }))).toMatchObject({ index: 0, name: 'old', alias: 'a/b' });
  });

  test.each([-1, 0x1000000, 1.5])('a vxlan network identifier of %d is refused', (vni) => {
    expect(() => message((writer) => writeVxlan(writer, { name: 'v', vni }, undefined))).toThrow(/16777215/);
  });
});
