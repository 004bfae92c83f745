import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type DataTypeName,
  dataTypeById,
  dataTypes,
  decodeScalar,
  encodeFlags,
  encodeScalar,
  type Scalar,
} from './datatype.ts';

const hex = (name: DataTypeName, value: Scalar): string => encodeScalar(name, value, 'it').toString('hex');

describe('values as bytes', () => {
  test.each([
    ['ipv4_addr', '10.0.1.4', '0a000104'],
    ['ipv6_addr', 'fd00::1', 'fd000000000000000000000000000001'],
    ['ether_addr', '02:00:0A:ff:00:01', '02000aff0001'],
    ['ifname', 'azv1', '617a7631000000000000000000000000'],
    ['ifname', 'fifteen-letters', '6669667465656e2d6c65747465727300'],
    ['inet_service', 80, '0050'],
    ['inet_service', '443', '01bb'],
    ['inet_proto', 'tcp', '06'],
    ['mark', 0x10, '10000000'],
    ['mark', '0xffffffff', 'ffffffff'],
    ['ct_state', 'new', '08000000'],
    ['icmp_type', 'echo-request', '08'],
    ['ether_type', 'ip6', '86dd'],
    ['boolean', true, '01'],
    ['integer64', 2n ** 63n, '0000000000000080'],
  ] as const)('%s %s', (name, value, bytes) => {
    expect(hex(name, value)).toBe(bytes);
  });

  test.each([
    ['ipv4_addr', '10.0.0', 'must be an IPv4 address such as 10.0.0.1'],
    ['ipv4_addr', 'fd00::1', 'must be an IPv4 address such as 10.0.0.1'],
    ['ipv6_addr', '10.0.0.1', 'must be an IPv6 address such as fd00::1'],
    ['ether_addr', '02:00:00:00:00', 'must be a MAC address'],
    ['ifname', 'sixteen-letters-', 'must be an interface name of 1 to 15 bytes'],
    ['ifname', 'a b', 'must be an interface name'],
    ['ifname', 'azv*', 'must be an interface name'],
    ['ifname', '', 'must be an interface name'],
    ['ifname', 7, 'must be an interface name'],
    ['inet_service', 65_536, 'must be a number 0..65535 (inet_service)'],
    ['inet_service', -1, 'must be a number 0..65535 (inet_service)'],
    ['inet_service', 80.5, 'must be a number 0..65535 (inet_service)'],
    ['inet_service', 'http', 'must be a number 0..65535 (inet_service)'],
    ['inet_proto', 'tpc', 'must be a number 0..255 or one of icmp, igmp, tcp'],
    ['mark', 2 ** 32, 'must be a number 0..4294967295 (mark)'],
  ] as const)('no %s: %s', (name, value, rule) => {
    expect(() => encodeScalar(name, value, 'set s key')).toThrow(
      `set s key: ${JSON.stringify(value)}: ${rule}`,
    );
  });

  const numeric = (Object.keys(dataTypes) as DataTypeName[]).filter(
    (name) => dataTypes[name].order !== 'bytes' && name !== 'integer64',
  );
  test.each(numeric)('%s: bytes come back as the value that makes them', (name) => {
    const { size } = dataTypes[name];
    fc.assert(
      fc.property(fc.uint8Array({ minLength: size, maxLength: size }), (bytes) => {
        const value = decodeScalar(name, bytes);
        // Several flags come back as a list.
        fc.pre(typeof value === 'number' || !value.includes(','));
        expect([...encodeScalar(name, value, 'it')]).toEqual([...bytes]);
      }),
    );
  });

  test('flags are joined, and listed in the order of their bits', () => {
    const bytes = encodeFlags('ct_state', ['related', 'established'], 'it');
    expect(bytes.toString('hex')).toBe('06000000');
    expect(decodeScalar('ct_state', bytes)).toBe('established,related');
    expect(decodeScalar('tcp_flag', Buffer.from([0x12]))).toBe('syn,ack');
  });

  test('types are found again by their numbers', () => {
    for (const name of ['ipv4_addr', 'ifname', 'mark', 'inet_service', 'ct_state'] as const)
      expect(dataTypeById(dataTypes[name].id)).toBe(name);
    expect(dataTypeById(63)).toBeUndefined();
  });
});
