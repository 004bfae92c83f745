import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cidrContains,
  cidrOf,
  cidrSize,
  cidrsOverlap,
  compareCidrs,
  everything,
  firstAddress,
  formatCidr,
  hostCidr,
  lastAddress,
  netmask,
  nthAddress,
  nthSubnet,
  parentCidr,
  parseCidr,
  parseInterfaceAddress,
  sameCidr,
  subnetCount,
  subnets,
} from './cidr.ts';
import { AddressError, isAddressError } from './error.ts';
import { addressBits, formatAddress, parseAddress } from './ip.ts';
import { addresses, cidrs } from './testing.ts';

describe('parseCidr', () => {
  it.each(['0.0.0.0/0', '10.244.0.0/16', '10.0.0.4/32', '::/0', 'fd12:3456:789a::/64', '::1/128'])(
    'reads %s',
    (text) => {
      expect(formatCidr(parseCidr(text))).toBe(text);
    },
  );

  it.each([
    '',
    '10.0.0.0',
    '10.0.0.0/',
    '/24',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/024',
    '10.0.0.0/2 4',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '10.0.0.0/1e1',
    '10.0.0.0/255.0.0.0',
    'fe80::%eth0/64',
  ])('refuses %j', (text) => {
    expect(() => parseCidr(text)).toThrow(AddressError);
  });

  it('says which range was probably meant', () => {
    expect(() => parseCidr('10.244.3.7/16', 'podCIDR')).toThrow(
      "podCIDR '10.244.3.7/16' has bits set beyond its /16 prefix; write 10.244.0.0/16",
    );
    expect(() => parseCidr('fd12::7/64')).toThrow('write fd12::/64');
  });

  it('cuts long input in the message', () => {
    try {
      parseCidr('x'.repeat(100_000));
      expect.unreachable();
    } catch (error) {
      expect(isAddressError(error, 'malformed')).toBe(true);
      expect((error as Error).message.length).toBeLessThan(300);
    }
  });

  it('is undone by formatCidr', () => {
    fc.assert(
      fc.property(cidrs, (cidr) => {
        expect(parseCidr(formatCidr(cidr))).toEqual(cidr);
      }),
    );
  });

  it('accepts an interface address with host bits only where one is wanted', () => {
    expect(parseInterfaceAddress('10.0.1.4/24')).toEqual({
      address: parseAddress('10.0.1.4'),
      prefixLength: 24,
    });
    fc.assert(
      fc.property(addresses, fc.nat(128), (address, n) => {
        const prefixLength = n % (addressBits(address.family) + 1);
        const text = `${formatAddress(address)}/${prefixLength}`;
        const strict = firstAddress(cidrOf(address, prefixLength)).value === address.value;
        if (strict) expect(parseCidr(text)).toEqual(cidrOf(address, prefixLength));
        else expect(() => parseCidr(text)).toThrow(/bits set beyond/);
      }),
    );
  });
});

describe('containment', () => {
  it('holds exactly the addresses from the first to the last', () => {
    fc.assert(
      fc.property(cidrs, addresses, (cidr, address) => {
        const inside =
          cidr.family === address.family &&
          firstAddress(cidr).value <= address.value &&
          address.value <= lastAddress(cidr).value;
        expect(cidrContains(cidr, address)).toBe(inside);
        expect(cidrContains(cidr, hostCidr(address))).toBe(inside);
      }),
    );
  });

  it('holds its own ends, and not their neighbours', () => {
    fc.assert(
      fc.property(cidrs, (cidr) => {
        expect(cidrContains(cidr, nthAddress(cidr, 0))).toBe(true);
        expect(cidrContains(cidr, nthAddress(cidr, -1))).toBe(true);
        const { family } = cidr;
        expect(cidrContains(cidr, { family, value: firstAddress(cidr).value - 1n })).toBe(false);
        expect(cidrContains(cidr, { family, value: lastAddress(cidr).value + 1n })).toBe(false);
        expect(cidrContains(everything(family), cidr)).toBe(true);
        expect(cidrContains(cidr, everything(family))).toBe(cidr.prefixLength === 0);
      }),
    );
  });

  it('two blocks overlap exactly when one holds the other’s first address', () => {
    const near = fc.tuple(cidrs, fc.nat(130)).map(([cidr, n]) => {
      const prefixLength = n % (addressBits(cidr.family) + 1);
      return [cidr, cidrOf(firstAddress(cidr), prefixLength)] as const;
    });
    fc.assert(
      fc.property(fc.oneof(near, fc.tuple(cidrs, cidrs)), ([a, b]) => {
        const shared = cidrContains(a, firstAddress(b)) || cidrContains(b, firstAddress(a));
        expect(cidrsOverlap(a, b)).toBe(shared);
        expect(cidrsOverlap(b, a)).toBe(shared);
        expect(compareCidrs(a, b) === 0).toBe(sameCidr(a, b));
      }),
    );
  });
});

describe('subnets', () => {
  it('tile the block without a gap', () => {
    fc.assert(
      fc.property(cidrs, fc.nat(6), (cidr, more) => {
        const prefixLength = Math.min(cidr.prefixLength + more, addressBits(cidr.family));
        const parts = [...subnets(cidr, prefixLength)];
        expect(BigInt(parts.length)).toBe(subnetCount(cidr, prefixLength));
        expect(parts[0]!.base).toBe(cidr.base);
        for (const [i, part] of parts.entries()) {
          expect(part).toEqual(nthSubnet(cidr, prefixLength, i));
          expect(cidrContains(cidr, part)).toBe(true);
          const next = parts[i + 1]?.base ?? lastAddress(cidr).value + 1n;
          expect(part.base + cidrSize(part)).toBe(next);
        }
      }),
    );
  });

  it('are lazy, and refuse what is not in there', () => {
    const whole = everything(6);
    expect(formatCidr(subnets(whole, 128).next().value!)).toBe('::/128');
    expect(subnetCount(whole, 120)).toBe(1n << 120n);
    expect(formatCidr(nthSubnet(parseCidr('10.244.0.0/16'), 24, 255))).toBe('10.244.255.0/24');
    expect(() => nthSubnet(parseCidr('10.244.0.0/16'), 24, 256)).toThrow(/not the number of a \/24/);
    expect(() => nthSubnet(parseCidr('10.244.0.0/16'), 24, -1)).toThrow(AddressError);
    expect(() => [...subnets(parseCidr('10.244.0.0/25'), 24)]).toThrow(/has no \/24 in it/);
    expect(() => subnetCount(parseCidr('10.244.0.0/25'), 33)).toThrow(/not a prefix length/);
    expect(() => subnetCount(parseCidr('10.244.0.0/25'), 25.5)).toThrow(AddressError);
    expect(() => nthAddress(parseCidr('10.0.0.0/30'), 4)).toThrow(/use 0 to 3/);
    expect(() => nthAddress(parseCidr('10.0.0.0/30'), -5)).toThrow(AddressError);
  });

  it('have a parent twice as large', () => {
    fc.assert(
      fc.property(cidrs, (cidr) => {
        const parent = parentCidr(cidr);
        if (cidr.prefixLength === 0) expect(parent).toBeUndefined();
        else {
          expect(cidrSize(parent!)).toBe(2n * cidrSize(cidr));
          expect(cidrContains(parent!, cidr)).toBe(true);
        }
      }),
    );
  });

  it('have a netmask', () => {
    expect(netmask(parseCidr('10.0.0.0/20'))).toBe('255.255.240.0');
    expect(netmask(parseCidr('0.0.0.0/0'))).toBe('0.0.0.0');
    expect(netmask(parseCidr('fd00::/64'))).toBe('ffff:ffff:ffff:ffff::');
  });
});
