import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AddressError } from './error.ts';
import {
  addOffset,
  addressFromBytes,
  addressToBytes,
  compareAddresses,
  formatAddress,
  ipAddress,
  isAddress,
  parseAddress,
  sameAddress,
} from './ip.ts';
import { addresses } from './testing.ts';

/** The same address as the WHATWG URL parser writes it: an independent RFC 5952 writer (without mixed notation). */
function asUrlWritesIt(text: string): string {
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

describe('parseAddress', () => {
  it.each([
    ['0.0.0.0', 4, 0n],
    ['10.244.1.7', 4, 0x0af40107n],
    ['255.255.255.255', 4, 0xffffffffn],
    ['::', 6, 0n],
    ['::1', 6, 1n],
    ['1::', 6, 1n << 112n],
    ['fd12:3456:789a::4', 6, 0xfd123456789a00000000000000000004n],
    ['FE80::1234:5678:9ABC', 6, 0xfe800000000000000000123456789abcn],
    ['1:2:3:4:5:6:7:8', 6, 0x00010002000300040005000600070008n],
    ['::ffff:10.0.0.4', 6, 0xffff0a000004n],
    ['1:2:3:4:5:6:1.2.3.4', 6, 0x00010002000300040005000601020304n],
    ['1:2:3:4:5:6:7::', 6, 0x00010002000300040005000600070000n],
  ])('reads %s', (text, family, value) => {
    expect(parseAddress(text)).toEqual({ family, value });
  });

  it.each([
    '',
    '10.0.0',
    '10.0.0.0.0',
    '10.0.0.256',
    '010.0.0.1',
    '10.0.0.1 ',
    '10.0.0.-1',
    '0x10.0.0.1',
    '1e1.0.0.1',
    '10.0.0.',
    'ten',
    ':',
    ':::',
    '::1::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '::1:2:3:4:5:6:7:8',
    '12345::',
    'g::',
    'fe80::1%eth0',
    '1.2.3.4::',
    '::1.2.3.4:5',
    '1:2:3:4:5:6:7:1.2.3.4',
    '::01.2.3.4',
    '[::1]',
    '10.0.0.1/24',
  ])('refuses %j', (text) => {
    expect(() => parseAddress(text, 'nodeAddress')).toThrow(AddressError);
    expect(isAddress(text)).toBe(false);
  });

  it.each([
    ['undefined', undefined],
    ['a number', 7],
    ['a list', []],
    ['an object that has no text', { toString: 0 }],
    ['an object without a prototype', Object.create(null)],
    ['a symbol', Symbol('x')],
  ])('refuses %s', (_, value) => {
    expect(() => parseAddress(value as never, 'nodeAddress')).toThrow(AddressError);
  });

  it('names the field, the value, the rule and the way out', () => {
    expect(() => parseAddress('10.0.0.300', 'nodeAddresses[0]')).toThrow(
      "nodeAddresses[0] '10.0.0.300' is not an IP address; write it like 10.0.0.4 (no leading zeros) or fd12::4 (no zone)",
    );
  });

  it('agrees with the runtime on what an address is', () => {
    const pieces = fc.array(
      fc.constantFrom('0', '1', '12', '255', '256', 'ff', 'ffff', ':', '::', '.', '1.2.3.4'),
      {
        maxLength: 16,
      },
    );
    fc.assert(
      fc.property(pieces, (parts) => {
        const text = parts.join('');
        expect(isAddress(text)).toBe(isIPv4(text) || isIPv6(text));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('formatAddress', () => {
  it.each([
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['0:0:1::', '0:0:1::'],
    ['::FFFF:7F00:1', '::ffff:127.0.0.1'],
  ])('writes %s as %s', (text, written) => {
    expect(formatAddress(parseAddress(text))).toBe(written);
  });

  it('is undone by parseAddress', () => {
    fc.assert(
      fc.property(addresses, (address) => {
        expect(parseAddress(formatAddress(address))).toEqual(address);
      }),
    );
  });

  it('writes IPv6 as RFC 5952 says', () => {
    const sparse = fc.array(fc.constantFrom(0, 0, 0, 1, 0xab, 0xffff), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(sparse, (groups) => {
        const value = groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n);
        fc.pre(value >> 32n !== 0xffffn);
        const long = groups.map((group) => group.toString(16)).join(':');
        expect(formatAddress({ family: 6, value })).toBe(asUrlWritesIt(long));
      }),
    );
  });
});

describe('arithmetic', () => {
  it('keeps bytes', () => {
    fc.assert(
      fc.property(addresses, (address) => {
        const bytes = addressToBytes(address);
        expect(bytes.length).toBe(address.family === 4 ? 4 : 16);
        expect(addressFromBytes(bytes)).toEqual(address);
      }),
    );
    expect([...addressToBytes(parseAddress('10.244.1.7'))]).toEqual([10, 244, 1, 7]);
    expect(() => addressFromBytes(new Uint8Array(5))).toThrow(/4 or 16 bytes/);
  });

  it('refuses to leave the family', () => {
    expect(formatAddress(addOffset(parseAddress('10.0.0.255'), 1))).toBe('10.0.1.0');
    expect(() => addOffset(parseAddress('255.255.255.255'), 1)).toThrow(AddressError);
    expect(() => ipAddress(4, -1n)).toThrow(AddressError);
    expect(() => ipAddress(6, 1n << 128n)).toThrow(AddressError);
  });

  it('orders addresses totally, and equality agrees with it', () => {
    fc.assert(
      fc.property(addresses, addresses, (a, b) => {
        expect(compareAddresses(a, b) === 0).toBe(sameAddress(a, b));
        expect(Math.sign(compareAddresses(a, b)) + Math.sign(compareAddresses(b, a))).toBe(0);
      }),
    );
    expect(compareAddresses(parseAddress('255.0.0.0'), parseAddress('::'))).toBeLessThan(0);
  });
});
