import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytesToIp, bytesToMac, ipToBytes, macToBytes, parsePrefix } from './ip.ts';

const ip4 = fc.uint8Array({ minLength: 4, maxLength: 4 });
/** Many zeros, so that there is something to shorten. */
const ip6 = fc
  .array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255])));

function accepts(text: string): boolean {
  try {
    ipToBytes(text);
    return true;
  } catch {
    return false;
  }
}

describe('addresses', () => {
  test('bytes to text and back', () => {
    fc.assert(
      fc.property(fc.oneof(ip4, ip6), (bytes) => {
        expect(ipToBytes(bytesToIp(bytes))).toEqual(bytes);
      }),
    );
  });

  test('IPv6 text is what the URL standard writes, whose rules are those of RFC 5952', () => {
    fc.assert(
      fc.property(ip6, (bytes) => {
        const text = bytesToIp(bytes);
        if (!text.includes('.')) expect(`[${text}]`).toBe(new URL(`http://[${text}]/`).hostname);
      }),
    );
  });

  test.each([
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
    ['64:ff9b::10.0.0.1', '64:ff9b::a00:1'],
    ['10.0.0.1', '10.0.0.1'],
  ])('%s is written %s', (text, canonical) => expect(bytesToIp(ipToBytes(text))).toBe(canonical));

  test('accepts exactly what Node takes for an address', () => {
    const texts = fc.oneof(
      fc.string({ unit: fc.constantFrom(...'0123456789abf:.'), maxLength: 24 }),
      ip6.map(bytesToIp),
      fc.array(fc.nat(300), { minLength: 3, maxLength: 5 }).map((parts) => parts.join('.')),
      fc
        .tuple(fc.array(fc.constantFrom('', '0', '1f', '12345', '1.2.3.4'), { maxLength: 9 }))
        .map(([parts]) => parts.join(':')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        expect(accepts(text), text).toBe(isIPv4(text) || isIPv6(text));
      }),
      { numRuns: 2000 },
    );
  });

  test('refusals name the field and the value', () => {
    expect(() => ipToBytes('10.0.0.256', 'route via')).toThrow('route via "10.0.0.256": neither an IPv4');
    expect(() => ipToBytes('010.0.0.1')).toThrow(RangeError);
    expect(() => parsePrefix('10.0.0.0/33', 'route dst')).toThrow(/route dst .*from 0 to 32/);
    expect(() => parsePrefix('::/129')).toThrow(/from 0 to 128/);
    expect(() => parsePrefix('10.0.0.0/')).toThrow(RangeError);
    expect(() => parsePrefix('10.0.0.0/1e1')).toThrow(RangeError);
    expect(() => macToBytes('02:00:00:00:00:0g', 'link mac')).toThrow(/link mac/);
    expect(() => macToBytes('02:00:00:00:00')).toThrow(RangeError);
  });

  test('prefixes', () => {
    expect(parsePrefix('10.1.0.0/16')).toEqual({ family: 4, length: 16, bytes: Uint8Array.of(10, 1, 0, 0) });
    expect(parsePrefix('fd00::2')).toMatchObject({ family: 6, length: 128 });
  });

  test('MAC addresses to text and back', () => {
    const mac = fc.uint8Array({ minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(mac, (bytes) => {
        expect(macToBytes(bytesToMac(bytes))).toEqual(bytes);
      }),
    );
    expect(bytesToMac(macToBytes('0A:00:00:00:0b:01'))).toBe('0a:00:00:00:0b:01');
  });
});
