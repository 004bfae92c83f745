import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cidrContains, nthAddress, parseCidr, subnets } from './cidr.ts';
import { formatAddress, type IpAddress, parseAddress } from './ip.ts';
import { formatRange, rangeContains } from './range.ts';
import { firstFreeHost, isReservedInSubnet, subnetCapacity, subnetGateway, subnetHosts } from './subnet.ts';

describe('a subnet of a virtual network', () => {
  it('keeps its first four addresses and its last', () => {
    const subnet = parseCidr('10.0.1.0/24');
    expect(formatRange(subnetHosts(subnet))).toBe('10.0.1.4-10.0.1.254');
    expect(subnetCapacity(subnet)).toBe(251n);
    expect(formatAddress(subnetGateway(subnet))).toBe('10.0.1.1');
    expect(subnetCapacity(parseCidr('10.0.1.8/29'))).toBe(3n);
    expect(formatRange(subnetHosts(parseCidr('fd00:1::/64')))).toBe('fd00:1::4-fd00:1::ffff:ffff:ffff:fffe');
  });

  it('of fewer than eight addresses is refused', () => {
    expect(() => subnetHosts(parseCidr('10.0.1.8/30'), 'subnet pods')).toThrow(
      "subnet pods '10.0.1.8/30' has fewer than eight addresses, and five of every subnet are reserved; use a /29 or wider",
    );
    expect(() => subnetHosts(parseCidr('fd00::/126'))).toThrow(/\/125/);
  });

  it('every address of it is either a host or reserved', () => {
    const subnet = parseCidr('10.0.1.0/27');
    for (const one of subnets(subnet, 32)) {
      const address: IpAddress = { family: 4, value: one.base };
      expect(isReservedInSubnet(subnet, address)).toBe(!rangeContains(subnetHosts(subnet), address));
    }
    expect(isReservedInSubnet(subnet, parseAddress('10.0.2.0'))).toBe(false);
  });

  it('gives its lowest free host', () => {
    const subnet = parseCidr('10.0.1.0/28');
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(15)), (offsets) => {
        const taken = offsets.map((offset) => nthAddress(subnet, offset));
        const free = firstFreeHost(subnet, taken);
        const wanted = [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14].find((offset) => !offsets.includes(offset));
        expect(free).toEqual(wanted === undefined ? undefined : nthAddress(subnet, wanted));
        if (free) expect(cidrContains(subnet, free)).toBe(true);
      }),
    );
  });
});
