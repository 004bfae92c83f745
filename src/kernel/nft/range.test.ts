import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DataTypeName } from './datatype.ts';
import { formatRange, masked, parseRange, predecessor, prefixLength, successor } from './range.ts';

const ends = (type: DataTypeName, text: string | number): string => {
  const { from, to } = parseRange(type, text, 'it');
  return `${from.toString('hex')}-${to.toString('hex')}`;
};

describe('ranges', () => {
  test.each([
    ['ipv4_addr', '10.0.0.0/24', '0a000000-0a0000ff'],
    ['ipv4_addr', '0.0.0.0/0', '00000000-ffffffff'],
    ['ipv4_addr', '10.0.0.7/32', '0a000007-0a000007'],
    ['ipv4_addr', '10.0.0.1-10.0.1.9', '0a000001-0a000109'],
    ['ipv4_addr', '*', '00000000-ffffffff'],
    ['ipv6_addr', 'fd00::/8', 'fd000000000000000000000000000000-fdffffffffffffffffffffffffffffff'],
    ['inet_service', '80-90', '0050-005a'],
    ['inet_service', 80, '0050-0050'],
    // Numbers of the host are turned, so that they compare from the first byte on.
    ['mark', '1-256', '00000001-00000100'],
    ['ifname', 'az*', '617a0000000000000000000000000000-617affffffffffffffffffffffffffff'],
    ['ifname', 'br-1', '62722d31000000000000000000000000-62722d31000000000000000000000000'],
    ['icmp_type', 'echo-request', '08-08'],
  ] as const)('%s %s', (type, text, expected) => {
    expect(ends(type, text)).toBe(expected);
  });

  test.each([
    ['ipv4_addr', '10.0.0.5/24', 'did you mean 10.0.0.0/24?'],
    ['ipv6_addr', 'fd00::1/64', 'did you mean fd00::/64?'],
    ['ipv4_addr', '10.0.0.0/33', 'must be ADDRESS/0..32'],
    ['ipv4_addr', '10.0.0.0/', 'must be ADDRESS/0..32'],
    ['ipv4_addr', '10.0.0.9-10.0.0.1', 'must begin with the lower end'],
    ['inet_service', '90-80', 'must begin with the lower end'],
    ['inet_service', '80/8', 'only IP addresses have prefixes'],
    ['ipv4_addr', '10.0.0.1-fd00::1', 'must be an IPv4 address'],
  ] as const)('no %s: %s', (type, text, rule) => {
    expect(() => parseRange(type, text, 'it')).toThrow(rule);
  });

  const address = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => Buffer.from(bytes));

  test('what is formatted is parsed to the same', () => {
    fc.assert(
      fc.property(address, address, fc.constantFrom('ipv4_addr', 'mark' as const), (a, b, type) => {
        const [from, to] = a.compare(b) <= 0 ? [a, b] : [b, a];
        const parsed = parseRange(type as DataTypeName, formatRange(type as DataTypeName, from, to), 'it');
        expect([parsed.from, parsed.to]).toEqual([from, to]);
      }),
    );
  });

  test('prefixes are recognised, and only they', () => {
    fc.assert(
      fc.property(address, fc.nat({ max: 32 }), (bytes, length) => {
        const [from, to] = [masked(bytes, length, 0), masked(bytes, length, 255)];
        expect(prefixLength(from, to)).toBe(length);
        const shorter = predecessor(to);
        if (length < 31 && shorter) expect(prefixLength(from, shorter)).toBeUndefined();
      }),
    );
  });

  test('the next value and the one before undo each other, up to the ends', () => {
    fc.assert(
      fc.property(address, (bytes) => {
        const next = successor(bytes);
        if (next) expect(predecessor(next)).toEqual(bytes);
        else expect(bytes.readUInt32BE()).toBe(0xffffffff);
      }),
      { examples: [[Buffer.alloc(4, 255)], [Buffer.from([0, 0, 255, 255])]] },
    );
    expect(predecessor(Buffer.alloc(4))).toBeUndefined();
  });
});
